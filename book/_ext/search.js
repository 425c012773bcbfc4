// Sections of the chapters before names of the package, and under each hit a sentence that holds the words.
var Scorer = {
  score: ([page, title, anchor, , score]) => score + (page.endsWith("/api") ? -20 : anchor ? 5 : 0),
  objNameMatch: 11, objPartialMatch: 6, objPrio: {0: 15, 1: 5, 2: -5}, objPrioDefault: 0,
  title: 15, partialTitle: 7, term: 5, partialTerm: 2,
};

document.addEventListener("DOMContentLoaded", () => {
  const bare = "nav, aside, pre, math, table, .headerlink, script, style, .header-article-items, .prev-next-footer, footer";

  Search.htmlToText = (html, anchor) => {
    const page = new DOMParser().parseFromString(html, "text/html");
    page.querySelectorAll(bare).forEach((part) => part.remove());
    const found = anchor && page.getElementById(anchor.slice(1));
    const paragraphs = (found || page.querySelector("article") || page.body).querySelectorAll("p, li, dd");
    return [...paragraphs].map((one) => one.textContent.replace(/\s+/g, " ").trim()).join("\n");
  };

  Search.makeSearchSummary = (html, keywords, anchor) => {
    const text = Search.htmlToText(html, anchor) || Search.htmlToText(html);
    const sentences = text.split(/\n|(?<=[.?!])\s+(?=[A-Z])/);
    const count = (one) => [...keywords].filter((word) => one.toLowerCase().includes(word.toLowerCase())).length;
    const best = sentences.reduce((most, one) => (count(one) > count(most) ? one : most), "");
    const summary = document.createElement("p");
    summary.classList.add("context");
    summary.textContent = best || sentences.slice(0, 2).join(" ");
    return summary;
  };
});
