// Keys: arrows, PageDown and space turn the slides; n shows the notes.
document.body.classList.toggle("with-notes", location.search === "?notes");
addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.altKey || event.metaKey) return;
  if (event.key === "n") document.body.classList.toggle("with-notes");
  const step = { ArrowRight: 1, ArrowDown: 1, PageDown: 1, " ": 1, ArrowLeft: -1, ArrowUp: -1, PageUp: -1 }[event.key];
  if (!step) return;
  const slides = [...document.querySelectorAll(".slide")];
  const now = slides.findLastIndex((slide) => slide.getBoundingClientRect().top < 2);
  slides[now + step]?.scrollIntoView();
  event.preventDefault();
});
