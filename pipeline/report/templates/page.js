// Numbers of a figure answer the pointer and the keyboard: Tab reaches a figure, arrow keys, Home and End go from number to
// number. The same numbers are in the table below, for those who have no scripts.
const told = document.getElementById("told");
const name = "http://www.w3.org/2000/svg";
const tell = text => { told.textContent = text; told.hidden = !text; };
for (const data of document.querySelectorAll("script.spots")) {
  const drawing = data.parentElement, svg = drawing.querySelector("svg"), spots = JSON.parse(data.textContent);
  if (!spots.length) continue;
  const [, , width, height] = svg.getAttribute("viewBox").split(" ").map(Number);
  const over = document.createElementNS(name, "svg");
  over.setAttribute("class", "over");
  over.setAttribute("viewBox", `0 0 ${width} ${height}`);
  over.setAttribute("role", "group");
  over.setAttribute("aria-label", "Numbers of the figure; arrow keys go from one to the next");
  const circles = spots.map(([x, y, text], k) => {
    const circle = document.createElementNS(name, "circle");
    const of = { cx: x * width, cy: y * height, r: 5, tabindex: k ? -1 : 0, role: "img", "aria-label": text };
    for (const key in of) circle.setAttribute(key, of[key]);
    circle.addEventListener("pointerenter", () => tell(text));
    circle.addEventListener("pointerleave", () => tell(""));
    circle.addEventListener("focus", () => tell(text));
    circle.addEventListener("blur", () => tell(""));
    circle.addEventListener("keydown", event => {
      const to = { ArrowRight: k + 1, ArrowDown: k + 1, ArrowLeft: k - 1, ArrowUp: k - 1, Home: 0, End: spots.length - 1 }[event.key];
      if (event.key === "Escape") tell("");
      if (to === undefined || !circles[to]) return;
      event.preventDefault();
      circle.setAttribute("tabindex", -1);
      circles[to].setAttribute("tabindex", 0);
      circles[to].focus();
    });
    over.append(circle);
    return circle;
  });
  drawing.append(over);
}
let opened = [];
addEventListener("beforeprint", () => { opened = [...document.querySelectorAll("details:not([open])")]; opened.forEach(one => one.open = true); });
addEventListener("afterprint", () => opened.forEach(one => one.open = false));
