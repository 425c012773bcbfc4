// Sections of the chapters before names of the package, and under each hit a sentence that holds the words. A hit leads
// to the section of that sentence, and stands the higher the more of the words are in it.
var Scorer = {
  score: ([page, title, anchor, , score]) => score + (page.endsWith("/api") ? -20 : page.endsWith("/index") ? 10 : anchor ? 5 : 0),
  objNameMatch: 11, objPartialMatch: 6, objPrio: {0: 15, 1: 5, 2: -5}, objPrioDefault: 0,
  title: 15, partialTitle: 7, term: 5, partialTerm: 2,
};

if (typeof Search !== "undefined") {  // on the page of results; before it begins
  const bare = "nav, aside, pre, math, table, .headerlink, script, style, .header-article-items, .prev-next-footer, footer, .cell details.hide, #references";
  // How others write what the book calls warm-up and BatchNorm.
  const other = [[/\bwarm ?up\b/gi, "warm-up"], [/\bbatch[- ]norm(ali[sz]ation)?\b/gi, "batchnorm"]];
  const perform = Search.performSearch;
  Search.performSearch = (query) => perform(other.reduce((text, [from, to]) => text.replace(from, to), query));

  // The paragraphs of a page, or of what an anchor names there: a section, or a term with its definition.
  const paragraphs = (html, anchor) => {
    const page = new DOMParser().parseFromString(html, "text/html");
    page.querySelectorAll(bare).forEach((part) => part.remove());
    const found = anchor ? page.getElementById(anchor.slice(1)) : null;
    const part = found?.matches("dt") ? found.nextElementSibling : found;
    return [...(part || page.querySelector("article") || page.body).querySelectorAll("p, li, dd")];
  };
  const textOf = (part) => part.textContent.replace(/\s+/g, " ").trim();
  Search.htmlToText = (html, anchor) => paragraphs(html, anchor).map(textOf).join("\n");

  Search.makeSearchSummary = (html, keywords, anchor) => {
    const count = (text) => [...keywords].filter((word) => text.toLowerCase().includes(word.toLowerCase())).length;
    const all = paragraphs(html, anchor).flatMap((part) => {
      const term = part.closest("dd")?.previousElementSibling;
      const place = term?.id ? term : part.closest("section[id]");
      const title = place && textOf(place === term ? term : place.querySelector("h1, h2, h3, h4"));
      const asked = (word) => [...keywords].some((one) => word.startsWith(one.toLowerCase()));
      const words = title?.toLowerCase().split(/[^\p{L}]+/u).filter(Boolean) ?? [];
      const named = words.filter(asked).length / (words.length || 1);  // the share of a heading or term that was asked for
      return textOf(part).split(/(?<=[.?!])\s+(?=[A-Z])/)
        .map((text) => ({text, place, title, worth: count(text) + 2 * named}));
    });
    const best = all.reduce((most, one) => (one.worth > most.worth ? one : most), {worth: 0});
    const summary = document.createElement("p");
    summary.classList.add("context");
    summary.textContent = best.text ?? all.slice(0, 2).map((one) => one.text).join(" ");
    setTimeout(() => {  // once it stands in its item
      const item = summary.closest("li"), link = item?.querySelector("a");
      if (!link) return;
      if (!anchor && best.place && best.place !== best.place.closest("section:has(h1)")) {
        link.href += `#${best.place.id}`;
        link.append(` > ${best.title}`);
      }
      const twin = [...item.parentNode.children].find((one) => one !== item && one.querySelector("a").href === link.href);
      if (twin) return item.remove();
      item.dataset.worth = best.worth;
      // Others wait for their page, but for names of the package, which have none.
      const isName = (one) => one.querySelector("a").pathname.endsWith("/api.html");
      const worth = (one) => Number(one.dataset.worth ?? (isName(one) ? 0 : Infinity)) / (isName(one) ? 2 : 1);
      item.parentNode.append(...[...item.parentNode.children].sort((a, b) => (worth(b) > worth(a)) - (worth(b) < worth(a))));
    });
    return summary;
  };
}
