"use strict";
// Shows answers of `predict`: texts with their entities marked, and what is said of each as a whole. All that is foreign is set as text, never as markup.

const element = (name, attributes, ...children) => {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children);
  return made;
};

const percent = (score) => (100 * score).toFixed(1) + " %";

// Each label keeps its colour; the golden angle keeps neighbours apart.
const hues = new Map();
const hue = (label) => {
  if (!hues.has(label)) hues.set(label, Math.round((210 + hues.size * 137.508) % 360));
  return "--hue: " + hues.get(label);
};

// Offsets count characters, of which a string of JavaScript may take two places.
const marked = (text, entities) => {
  const characters = Array.from(text);
  const line = element("p", { class: "text", dir: "auto" });
  let at = 0;
  for (const { start, end, label, score } of entities) {
    line.append(characters.slice(at, start).join(""));
    const inside = characters.slice(start, end).join("");
    line.append(element("mark", { style: hue(label), title: label + " " + percent(score), "data-label": label }, inside, element("b", {}, label)));
    at = end;
  }
  line.append(characters.slice(at).join(""));
  return line;
};

// `heads`: those that say something of whole texts, with their classes. A number is that of a class; of two, the score is the probability of the second.
const answered = (answer, heads) => {
  const item = element("li", {});
  if (answer.error) {
    item.append(element("p", { class: "bad" }, answer.error));
    return item;
  }
  item.append(marked(answer.text, answer.entities || []));
  for (const { name, classes } of heads) {
    const said = answer[name];
    if (said === null || said === undefined) continue;
    const score = answer[name + "_score"];
    const chosen = typeof said === "number" ? classes[said] : said;
    const likelihood = classes.length === 2 && chosen === classes[0] ? 1 - score : score;
    item.append(element("span", { class: "said" }, name + " ", element("b", {}, chosen), " " + percent(likelihood)));
  }
  if (answer.truncated) item.append(element("span", { class: "said" }, "the end of the text is beyond what the model reads"));
  return item;
};
