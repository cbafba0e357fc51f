// A page of answers that lie in it.
const { answers, heads } = JSON.parse(document.getElementById("answers").textContent);
const list = document.getElementById("list");
for (const answer of answers) {
  const item = answered(answer, heads);
  item.firstChild.prepend(element("span", { class: "number" }, String(answer.number)));
  list.append(item);
}

const search = document.getElementById("search");
const legend = document.getElementById("legend");
let only = null;
const choose = () => {
  const wanted = search.value.toLowerCase();
  let shown = 0;
  for (const item of list.children) {
    const has = only === null || Array.from(item.querySelectorAll("mark")).some((mark) => mark.dataset.label === only);
    item.hidden = !(has && item.textContent.toLowerCase().includes(wanted));
    if (!item.hidden) shown += 1;
  }
  document.getElementById("shown").textContent = shown + " of " + answers.length + " shown";
};
const counts = new Map();
for (const answer of answers) for (const { label } of answer.entities || []) counts.set(label, (counts.get(label) || 0) + 1);
for (const label of Array.from(counts.keys()).sort()) {
  const button = element("button", { type: "button", style: hue(label), "aria-pressed": "false" }, label + " " + counts.get(label));
  button.onclick = () => {
    only = only === label ? null : label;
    for (const other of legend.children) other.setAttribute("aria-pressed", String(other === button && only !== null));
    choose();
  };
  legend.append(button);
}
search.oninput = choose;
choose();
