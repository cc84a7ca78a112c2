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
const made = (kind, of, text) => {
  const node = document.createElementNS(name, kind);
  for (const key in of) node.setAttribute(key, of[key]);
  if (text !== undefined) node.textContent = text;
  return node;
};
const short = value => Number(value.toPrecision(3)).toString();
const ticks = (low, high) => {  // multiples of 1, 2 or 5 times a power of ten, some five of them
  const rough = high / 5 - low / 5 || 1, power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map(one => one * power).find(one => one >= rough), found = [];
  for (let k = Math.ceil(low / step); k * step <= high + step * 1e-9; k++) found.push(k * step);
  return found;
};
// Members of an ensemble: all of them pale, the one that is picked strong; the slider answers arrow keys.
for (const data of document.querySelectorAll("script.series")) {
  const box = data.parentElement, all = JSON.parse(data.textContent), at = { variable: 0, member: 0 };
  const width = 640, height = 300, left = 70, bottom = 40, top = 10, right = 30;
  const draw = () => {
    const series = all[at.variable], picked = series.members[at.member];
    const values = series.members.flatMap(one => one.y).filter(y => y !== null);
    let low = Math.min(...values), high = Math.max(...values);
    if (!values.length) [low, high] = [0, 1];
    if (low === high) { const half = Math.max(.5, Math.abs(low) / 1e6); [low, high] = [low - half, high + half]; }
    const [start, end] = [series.x[0], series.x[series.x.length - 1]];
    const X = x => left + (x - start) / (end - start || 1) * (width - left - right);
    const Y = y => height - bottom - (y / 2 - low / 2) / (high / 2 - low / 2) * (height - bottom - top);
    const path = one => one.y.map((y, k) => y === null ? "" : `${k && one.y[k - 1] !== null ? "L" : "M"}${X(series.x[k]).toFixed(1)} ${Y(y).toFixed(1)}`).join("");
    const svg = made("svg", { viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": `${series.label} of all members along ${series.along}, member ${picked.member} picked` });
    for (const one of series.members) svg.append(made("path", { d: path(one), class: "other" }));
    svg.append(made("path", { d: path(picked), class: "picked" }));
    svg.append(made("path", { d: `M${left} ${top}V${height - bottom}H${width - right}`, class: "frame" }));
    for (const y of ticks(low, high)) svg.append(made("path", { d: `M${left - 4} ${Y(y)}H${left}`, class: "frame" }), made("text", { x: left - 6, y: Y(y) + 4, "text-anchor": "end" }, short(y)));
    for (const x of ticks(start, end)) svg.append(made("path", { d: `M${X(x)} ${height - bottom}v4`, class: "frame" }), made("text", { x: X(x), y: height - bottom + 18, "text-anchor": "middle" }, short(x)));
    svg.append(made("text", { x: (left + width) / 2, y: height - 6, "text-anchor": "middle" }, series.along));
    box.querySelector(".plot").replaceChildren(svg);
    const known = picked.y.filter(y => y !== null);
    const course = known.length ? `from ${short(known[0])} to ${short(known[known.length - 1])}` : "no values";
    box.querySelector("output").textContent = `member ${picked.member}, ${picked.state}: ${series.label}, ${course}`;
    box.querySelector(".left").textContent = series.left_out && `Shown: ${series.left_out}.`;
  };
  box.querySelector(".variable").addEventListener("change", event => { at.variable = event.target.selectedIndex; draw(); });
  box.querySelector(".member").addEventListener("input", event => { at.member = Number(event.target.value); draw(); });
  draw();
}
// Pictures of a member, frame by frame: purple is below 0, orange above, as in figures, the stronger the larger; sliders answer arrow keys.
for (const data of document.querySelectorAll("script.frames")) {
  const box = data.parentElement, all = JSON.parse(data.textContent)[0], [panels, rows, columns] = all.shape;
  const member = box.querySelector(".member"), frame = box.querySelector(".frame");
  const size = 10, gap = 12, title = 10, across = Math.min(panels, 5);
  const width = across * (columns * size + gap), height = Math.ceil(panels / across) * (rows * size + gap + title);
  const strongest = one => Math.max(0, ...one.filter(y => y !== null).map(Math.abs));
  const draw = () => {
    const picked = all.members[member.value], k = frame.value, most = strongest(picked.y.flat()) || 1;
    const at = `member ${picked.member}, ${all.x[k]} ${all.along}, ${picked.states[k]}`;
    const svg = made("svg", { viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": `${all.label}: ${at}` });
    picked.y[k].forEach((y, number) => {
      const panel = Math.floor(number / rows / columns), row = Math.floor(number / columns) % rows, column = number % columns;
      const left = panel % across * (columns * size + gap), top = Math.floor(panel / across) * (rows * size + gap + title) + title;
      if (!row && !column) svg.append(made("text", { x: left, y: top - 3, class: "small" }, panel));
      const cell = made("rect", { x: left + column * size, y: top + row * size, width: size, height: size,
        class: y === null ? "none" : y < 0 ? "below" : "above", "fill-opacity": y === null ? 1 : (Math.abs(y) / most).toFixed(3) });
      const text = `${all.panel} ${panel}, row ${row}, column ${column}: ${y === null ? "no value" : y}`;
      cell.addEventListener("pointerenter", () => tell(text));
      cell.addEventListener("pointerleave", () => tell(""));
      svg.append(cell);
    });
    box.querySelector(".plot").replaceChildren(svg);
    box.querySelector("output").textContent = `${at}: ${all.label}, at most ${short(strongest(picked.y[k]))} either way`;
    member.setAttribute("aria-valuetext", `member ${picked.member}`);
    frame.setAttribute("aria-valuetext", `${all.x[k]} ${all.along}`);
  };
  for (const slider of [member, frame]) slider.addEventListener("input", draw);
  draw();
}
// Print opens what is short: long tables of numbers stay closed.
let opened = [];
const isShort = one => one.querySelectorAll("tr").length <= 60;
addEventListener("beforeprint", () => { opened = [...document.querySelectorAll("details:not([open])")].filter(isShort); opened.forEach(one => one.open = true); });
addEventListener("afterprint", () => opened.forEach(one => one.open = false));
