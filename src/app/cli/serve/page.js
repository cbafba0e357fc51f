// The page of a server: a text in, its answer marked.
const { heads } = JSON.parse(document.getElementById("model").textContent);
const form = document.getElementById("form");
const text = document.getElementById("text");
const token = document.getElementById("token");
const state = document.getElementById("state");
const list = document.getElementById("list");

form.onsubmit = async (event) => {
  event.preventDefault();
  state.className = "soft";
  state.textContent = "…";
  const texts = text.value.split("\n").filter((line) => line.trim() !== "");
  const headers = { "Content-Type": "application/json" };
  if (token.value) headers.Authorization = "Bearer " + token.value;
  const begun = performance.now();
  try {
    const response = await fetch("predict", { method: "POST", headers, body: JSON.stringify({ texts }) });
    const answers = await response.json();
    if (response.status === 401) document.getElementById("who").hidden = false;
    if (!response.ok) throw new Error(answers.error);
    state.textContent = texts.length + (texts.length === 1 ? " text in " : " texts in ") + Math.round(performance.now() - begun) + " ms";
    list.replaceChildren(...answers.map((answer) => answered(answer, heads)));
  } catch (error) {
    state.className = "bad";
    state.textContent = error.message;
  }
};
// Enter alone is a new line, on a phone as elsewhere.
text.onkeydown = (event) => { if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) form.requestSubmit(); };
