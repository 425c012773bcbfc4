// Python says what one image takes, for every network on every machine; the script looks that up and multiplies.
(() => {
  const root = document.currentScript.parentElement, facts = FACTS;
  const form = root.querySelector("form"), field = (name) => form.elements[name];
  const digits = (n) => ({minimumFractionDigits: n, maximumFractionDigits: n});
  const number = (x, n = 0) => x.toLocaleString("en-US", digits(n));
  const size = (n) => n >= 1e9 ? number(n / 1e9, 2) + " GB" : number(n / 1e6, 2) + " MB";
  const rate = (x) => x >= 10 ? number(x) : x.toFixed(1);
  const duration = (s) => {
    for (const [unit, length] of [["days", 86400], ["h", 3600], ["min", 60]]) {
      if (s >= 2 * length) return (s / length).toFixed(1) + " " + unit;
    }
    return s.toFixed(s < 10 ? 1 : 0) + " s";
  };
  const plan = (name, machine, epochs, batch, images, states, checkpointed) => {
    const image = machine[name], which = Number(checkpointed), seconds = image.seconds[which];
    const memory = {...image.memory, optimizer: states * image.memory.weights,
      activations: batch * image.activations[which]};
    const whole = Object.values(memory).reduce((a, b) => a + b), time = duration(epochs * images * seconds);
    return {summary: `${image.title}, ${number(epochs)} epoch${epochs === 1 ? "" : "s"}: ${time} and ${size(whole)}.`,
      basis: image.basis, time, "images per second": rate(1 / seconds),
      steps: number(epochs * Math.ceil(images / batch)),
      ...Object.fromEntries(Object.entries(memory).map(([part, bytes]) => [part, size(bytes)])), memory: size(whole)};
  };
  const update = () => {
    const wrong = facts.numbers.find((name) => !/^[1-9][0-9]{0,11}$/.test(field(name).value));
    const values = facts.numbers.map((name) => Number(field(name).value));
    const shown = wrong ? {summary: `${wrong}: give a whole number of at least 1.`} : plan(
      field("network").value, facts.machines[field("machine").value], ...values,
      Number(field("optimizer").value), field("checkpointing").checked);
    for (const cell of root.querySelectorAll("[data-plan]")) cell.textContent = shown[cell.dataset.plan] ?? "–";
    for (const name of facts.numbers) field(name).setAttribute("aria-invalid", name === wrong);
  };
  form.addEventListener("input", update);
  form.addEventListener("submit", (event) => event.preventDefault());
  form.hidden = false;
  update();
})();
