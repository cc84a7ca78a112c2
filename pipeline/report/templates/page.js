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
// Members of an ensemble: all of them pale, the one that is picked strong; the slider answers arrow keys.
for (const data of document.querySelectorAll("script.series")) {
  const box = data.parentElement, all = JSON.parse(data.textContent), at = { variable: 0, member: 0 };
  const width = 640, height = 300, left = 70, bottom = 40, top = 10, right = 10;
  const made = (kind, of, text) => {
    const node = document.createElementNS(name, kind);
    for (const key in of) node.setAttribute(key, of[key]);
    if (text !== undefined) node.textContent = text;
    return node;
  };
  const short = value => Number(value.toPrecision(3)).toString();
  const draw = () => {
    const series = all[at.variable], picked = series.members[at.member];
    const values = series.members.flatMap(one => one.y).filter(y => y !== null);
    let low = Math.min(...values), high = Math.max(...values);
    if (!values.length) [low, high] = [0, 1];
    if (low === high) [low, high] = [low - .5, high + .5];
    const [start, end] = [series.x[0], series.x[series.x.length - 1]];
    const X = x => left + (x - start) / (end - start || 1) * (width - left - right);
    const Y = y => height - bottom - (y - low) / (high - low) * (height - bottom - top);
    const path = one => one.y.map((y, k) => y === null ? "" : `${k && one.y[k - 1] !== null ? "L" : "M"}${X(series.x[k]).toFixed(1)} ${Y(y).toFixed(1)}`).join("");
    const svg = made("svg", { viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": `${series.label} of all members along ${series.along}, member ${picked.member} picked` });
    for (const one of series.members) svg.append(made("path", { d: path(one), class: "other" }));
    svg.append(made("path", { d: path(picked), class: "picked" }));
    svg.append(made("path", { d: `M${left} ${top}V${height - bottom}H${width - right}`, class: "frame" }));
    for (const y of [low, high]) svg.append(made("text", { x: left - 6, y: Y(y) + 4, "text-anchor": "end" }, short(y)));
    for (const x of [start, end]) svg.append(made("text", { x: X(x), y: height - bottom + 16, "text-anchor": x === start ? "start" : "end" }, short(x)));
    svg.append(made("text", { x: (left + width) / 2, y: height - 6, "text-anchor": "middle" }, series.along));
    box.querySelector(".plot").replaceChildren(svg);
    const known = picked.y.filter(y => y !== null);
    const course = known.length ? `${short(known[0])} at first, ${short(known[known.length - 1])} at last` : "no values";
    box.querySelector("output").textContent = `member ${picked.member}, ${picked.state}: ${series.label} ${course}`;
    box.querySelector(".left").textContent = series.left_out && `Shown: ${series.left_out}.`;
  };
  box.querySelector(".variable").addEventListener("change", event => { at.variable = event.target.selectedIndex; draw(); });
  box.querySelector(".member").addEventListener("input", event => { at.member = Number(event.target.value); draw(); });
  draw();
}
let opened = [];
addEventListener("beforeprint", () => { opened = [...document.querySelectorAll("details:not([open])")]; opened.forEach(one => one.open = true); });
addEventListener("afterprint", () => opened.forEach(one => one.open = false));
