"use strict";
// Adds to what stands in the page already: tips at once, one cluster lit up everywhere, a map that zooms.
document.body.classList.add("scripted");
const tip = document.body.appendChild(document.createElement("div"));
tip.id = "tip"; tip.hidden = true; tip.setAttribute("role", "status");

function say(words, x, y) {
  tip.hidden = !words;
  if (!words) return;
  tip.textContent = words;
  const box = tip.getBoundingClientRect();
  tip.style.left = Math.max(4, Math.min(x + 14, innerWidth - box.width - 8)) + "px";
  tip.style.top = (y + 18 + box.height > innerHeight ? y - box.height - 10 : y + 18) + "px";
}

// The browser shows a <title> late and never for the keyboard: keep its words, say them ourselves.
for (const title of document.querySelectorAll("svg title")) {
  const mark = title.parentElement;
  mark.dataset.tip = title.textContent;
  mark.setAttribute("aria-label", title.textContent);
  title.remove();
}
const told = mark => mark && mark.closest ? mark.closest("[data-tip]") : null;
document.addEventListener("pointermove", e => {
  const mark = told(e.target);
  if (mark) say(mark.dataset.tip, e.clientX, e.clientY);
  else if (!e.target.closest || !e.target.closest("#map svg")) say("");
});
document.addEventListener("focusin", e => {
  const mark = told(e.target);
  if (!mark) return say("");
  const box = mark.getBoundingClientRect();
  say(mark.dataset.tip, box.left, box.bottom);
});

let chosen = null;
const controls = [];
function choose(cluster) {
  chosen = cluster === chosen ? null : cluster;
  document.body.classList.toggle("some", chosen !== null);
  for (const mark of document.querySelectorAll("[data-c]")) mark.classList.toggle("lit", mark.dataset.c === chosen);
  for (const button of controls) button.hidden = chosen === null;
}
document.addEventListener("click", e => {
  const mark = e.target.closest && e.target.closest("[data-c]");
  if (mark && !e.target.closest("#map")) choose(mark.dataset.c);
});
document.addEventListener("keydown", e => {
  if (e.key === "Escape") { say(""); if (chosen !== null) choose(chosen); }
  const mark = e.target.closest && e.target.closest("[data-c]");
  if (mark && (e.key === "Enter" || e.key === " ")) { e.preventDefault(); choose(mark.dataset.c); }
});
for (const panel of document.querySelectorAll("#ribbons [data-c], tr[data-c]")) panel.tabIndex = 0;
for (const panel of document.querySelectorAll("#ribbons [data-c]")) panel.setAttribute("role", "button");
for (const picture of document.querySelectorAll("figure")) {
  if (!picture.querySelector("[data-c]")) continue;
  const button = picture.querySelector(".bar").appendChild(document.createElement("button"));
  button.textContent = "Show all clusters"; button.hidden = true;
  button.onclick = () => choose(chosen);
  controls.push(button);
}
// A drawing with role=img hides its parts from a screen reader; where parts are buttons it is a group.
for (const svg of document.querySelectorAll("#ribbons svg")) svg.setAttribute("role", "group");

const map = document.querySelector("#map svg");
if (map) {
  const whole = map.viewBox.baseVal, full = [whole.x, whole.y, whole.width, whole.height];
  let view = [...full];
  const marks = [...map.querySelectorAll(".dots")].map(mark => ({
    mark, at: [...mark.getAttribute("d").matchAll(/M(-?[\d.]+) (-?[\d.]+)/g)].map(m => [+m[1], +m[2]])
  }));
  const show = () => map.setAttribute("viewBox", view.join(" "));
  function zoom(by, x = view[0] + view[2] / 2, y = view[1] + view[3] / 2) {
    const scale = Math.max(1 / 40, Math.min(1, view[2] * by / full[2]));
    const [w, h] = [full[2] * scale, full[3] * scale];
    const left = x - (x - view[0]) * w / view[2], top = y - (y - view[1]) * h / view[3];
    view = [Math.max(0, Math.min(left, full[2] - w)), Math.max(0, Math.min(top, full[3] - h)), w, h];
    show();
  }
  const place = e => { const p = new DOMPoint(e.clientX, e.clientY).matrixTransform(map.getScreenCTM().inverse()); return [p.x, p.y]; };
  function nearest(e) {
    const [x, y] = place(e), reach = 18 * view[2] / map.clientWidth;
    let best = null, least = reach * reach;
    for (const { mark, at } of marks) for (const [a, b] of at) {
      const far = (a - x) ** 2 + (b - y) ** 2;
      if (far < least) { least = far; best = mark; }
    }
    return best;
  }
  const bar = document.querySelector("#map .bar");
  for (const [words, name, act] of [["+", "Zoom in", () => zoom(1 / 1.5)], ["−", "Zoom out", () => zoom(1.5)],
    ["Whole map", "Show the whole map", () => { view = [...full]; show(); }]]) {
    const button = bar.appendChild(document.createElement("button"));
    button.textContent = words; button.setAttribute("aria-label", name); button.onclick = act;
  }
  map.addEventListener("wheel", e => { // scrolls the page unless a key says that the map is meant
    if (!e.ctrlKey && !e.metaKey) return;
    e.preventDefault(); zoom(Math.exp(e.deltaY / 300), ...place(e));
  }, { passive: false });
  let held = null, moved = false;
  map.addEventListener("pointerdown", e => { held = place(e); moved = false; map.setPointerCapture(e.pointerId); });
  map.addEventListener("pointerup", e => {
    held = null;
    const mark = moved ? null : nearest(e);
    if (mark) choose(mark.dataset.c); else if (!moved && chosen !== null) choose(chosen);
  });
  map.addEventListener("dblclick", e => zoom(1 / 2, ...place(e)));
  map.addEventListener("pointermove", e => {
    if (held && view[2] < full[2]) {
      const [x, y] = place(e);
      moved = true;
      view = [Math.max(0, Math.min(view[0] + held[0] - x, full[2] - view[2])),
        Math.max(0, Math.min(view[1] + held[1] - y, full[3] - view[3])), view[2], view[3]];
      return show();
    }
    const mark = nearest(e);
    say(mark ? mark.dataset.tip : "", e.clientX, e.clientY);
  });
  map.addEventListener("pointerleave", () => say(""));
}
