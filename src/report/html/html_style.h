// What every page of this program looks like, and the one script it has.
#pragma once

#include <string_view>

namespace narrow {

// Series colours are those of Okabe and Ito, "Color Universal Design", 2008, which people with any
// kind of colour vision can tell apart; on dark ground they are lighter.
constexpr std::string_view kPageStyle = R"css(
:root{color-scheme:light dark;--bg:#f6f7f9;--card:#fff;--ink:#1c2430;--soft:#5b6675;--line:#dfe3e8;
--accent:#0b5cad;--c0:#0072b2;--c1:#d55e00;--c2:#009e73;--c3:#b5538f;--c4:#b07c00;--c5:#3a8fc4}
@media (prefers-color-scheme:dark){:root{--bg:#12161c;--card:#1b2129;--ink:#e6eaf0;--soft:#9aa6b5;
--line:#313a46;--accent:#7db8f0;--c0:#5ab4ea;--c1:#f08a4b;--c2:#3fcf9f;--c3:#e39bc8;--c4:#e6b84a;--c5:#9cd2f5}}
*{box-sizing:border-box}
body{margin:0;background:var(--bg);color:var(--ink);font:15px/1.5 system-ui,-apple-system,"Segoe UI",
"Liberation Sans","DejaVu Sans",sans-serif}
main{max-width:1160px;margin:0 auto;padding:2.2rem 1.2rem 3rem}
h1{font-size:1.75rem;line-height:1.2;margin:0 0 .35rem;letter-spacing:-.01em}
h2{font-size:1.15rem;margin:0 0 .3rem}
.sub{color:var(--soft);margin:0;max-width:60rem;overflow-wrap:anywhere}
section,.facts{background:var(--card);border:1px solid var(--line);border-radius:10px;padding:1.15rem 1.3rem;
margin-top:1.1rem}
.note{color:var(--soft);margin:0 0 .9rem;max-width:58rem}
.tiles{display:grid;grid-template-columns:repeat(auto-fit,minmax(12.5rem,1fr));gap:.9rem;margin-top:1.3rem}
.tile{background:var(--card);border:1px solid var(--line);border-radius:10px;padding:.9rem 1.1rem}
.tile b{display:block;font-size:1.65rem;line-height:1.25;font-weight:650;letter-spacing:-.01em}
.tile span{color:var(--soft);font-size:.88rem}
.facts{display:grid;grid-template-columns:max-content 1fr;gap:.2rem 1.2rem;margin-bottom:0}
.facts dt{color:var(--soft)}.facts dd{margin:0;overflow-wrap:anywhere}
.grid{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(30rem,100%),1fr));gap:1.2rem 1.6rem}
figure{margin:0}figcaption{font-weight:600;margin-bottom:.2rem}
svg{display:block;width:100%;height:auto;font:12px system-ui,"Liberation Sans","DejaVu Sans",sans-serif}
svg text{fill:var(--ink)}svg .tick,svg .axis{fill:var(--soft)}
svg .rule{stroke:var(--line)}svg .base{stroke:var(--soft)}
svg .ref{stroke:var(--soft);stroke-dasharray:6 4}
.s0{--s:var(--c0)}.s1{--s:var(--c1)}.s2{--s:var(--c2)}.s3{--s:var(--c3)}.s4{--s:var(--c4)}.s5{--s:var(--c5)}
svg .stroke{stroke:var(--s);fill:none;stroke-width:2}svg .mark{fill:var(--s);stroke:var(--card)}
svg .band{fill:var(--s);opacity:.13}svg .whisker{stroke:var(--s);stroke-width:1.2}
svg .bar{fill:var(--s)}
.scroll{overflow:auto;max-height:34rem;border:1px solid var(--line);border-radius:6px}
table{border-collapse:collapse;width:100%;font-variant-numeric:tabular-nums;font-size:.84rem}
th,td{padding:.3rem .6rem;border-bottom:1px solid var(--line);text-align:left;white-space:nowrap}
tbody tr:last-child td{border-bottom:0}
thead th{position:sticky;top:0;background:var(--card);box-shadow:inset 0 -1px var(--line);z-index:1;font-weight:600}
.n{text-align:right}
.sortable th{cursor:pointer;user-select:none}
.sortable th::after{content:" \2195";opacity:.35}
.sortable th[aria-sort=ascending]::after{content:" \2191";opacity:1}
.sortable th[aria-sort=descending]::after{content:" \2193";opacity:1}
.sortable tbody tr:hover{background:color-mix(in srgb,var(--accent) 9%,transparent)}
.heat{font-size:11px}
.heat td,.heat th{padding:.1rem .3rem;border:0}
.heat td{text-align:center;min-width:2.6rem}
.heat tbody th{font-weight:400;text-align:left;position:sticky;left:0;background:var(--card);max-width:26rem;
overflow:hidden;text-overflow:ellipsis;z-index:1}
.heat thead th{text-align:center}.heat thead th:first-child{left:0;z-index:2}
.minor{display:none}.more:checked~.scroll .minor{display:table-row}
.scale{display:flex;align-items:center;gap:.5rem;margin:.6rem 0 0;color:var(--soft);font-size:.85rem}
.scale i{display:inline-block;width:1rem;height:.8rem}.scale span{display:inline-flex}
.graph svg{max-width:none;height:auto}.graph .scroll{max-height:80vh}
.graph label{margin-right:.9rem}.zoom{float:right}.zoom button{min-width:2rem}
svg .lines path{stroke:var(--soft);fill:none}
.node{fill:var(--card);color:var(--ink)}svg .node rect{stroke:var(--soft)}
svg .node text{fill:currentColor;font-size:11px}svg .node .name{font-size:9.5px;opacity:.8}
.boxes{display:none}.by0:checked~.scroll .boxes0,.by1:checked~.scroll .boxes1{display:inline}
details{margin-top:.6rem}summary{cursor:pointer;font-weight:600}
code,pre{font-family:ui-monospace,"Liberation Mono","DejaVu Sans Mono",monospace;font-size:.88em}
pre{background:var(--bg);border:1px solid var(--line);border-radius:6px;padding:.6rem .8rem;overflow:auto;
white-space:pre-wrap;overflow-wrap:anywhere;margin:.5rem 0 0}
footer{color:var(--soft);font-size:.85rem;margin-top:1.4rem;overflow-wrap:anywhere}
@media print{:root{color-scheme:light;--bg:#fff;--card:#fff;--ink:#000;--soft:#444;--line:#ccc;--c0:#0072b2;--c1:#d55e00;
--c2:#009e73;--c3:#b5538f;--c4:#b07c00;--c5:#3a8fc4}
body{font-size:11px}main{max-width:none;padding:0}.scroll{max-height:none;overflow:visible}
section,.tile,.facts{break-inside:avoid-page;box-shadow:none}section:has(table){break-inside:auto}
tr,figure{break-inside:avoid}thead th,.heat tbody th{position:static}.sortable th::after{content:""!important}
*{print-color-adjust:exact;-webkit-print-color-adjust:exact}}
)css";

// Sorts a table by the column whose title is clicked: by the number in data-v, else by the text.
constexpr std::string_view kPageScript = R"js(
for (const table of document.querySelectorAll('table.sortable')) {
  const titles = table.tHead.rows[0].cells;
  const sort = (column, th) => {
    const up = th.getAttribute('aria-sort') !== 'ascending';
    for (const other of titles) other.removeAttribute('aria-sort');
    th.setAttribute('aria-sort', up ? 'ascending' : 'descending');
    const key = row => row.cells[column].dataset.v ?? row.cells[column].textContent;
    const compare = (a, b) => {
      const x = Number(key(a)), y = Number(key(b));
      if (isNaN(x) || isNaN(y)) return key(a).localeCompare(key(b));
      return x < y ? -1 : x > y ? 1 : 0;
    };
    const body = table.tBodies[0];
    body.append(...[...body.rows].sort((a, b) => up ? compare(a, b) : compare(b, a)));
  };
  [...titles].forEach((th, column) => {
    th.tabIndex = 0;
    th.addEventListener('click', () => sort(column, th));
    th.addEventListener('keydown', e => { if (e.key === 'Enter') sort(column, th); });
  });
}
for (const graph of document.querySelectorAll('.graph')) {
  const box = graph.querySelector('.scroll'), svg = graph.querySelector('svg');
  const whole = parseFloat(svg.style.width);
  const zoom = factor => {
    const old = parseFloat(svg.style.width);
    const fit = Math.min(box.clientWidth, whole);
    const next = factor ? Math.min(Math.max(old * factor, 40), whole * 8) : fit;
    const middle = p => (p + box.clientHeight / 2) * next / old - box.clientHeight / 2;
    const center = p => (p + box.clientWidth / 2) * next / old - box.clientWidth / 2;
    const [top, left] = [middle(box.scrollTop), center(box.scrollLeft)];
    svg.style.width = next + 'px';
    box.scrollTo(left, top);
  };
  for (const button of graph.querySelectorAll('[data-zoom]')) {
    button.addEventListener('click', () => zoom(Number(button.dataset.zoom)));
  }
  box.addEventListener('wheel', e => {
    if (!e.ctrlKey) return;
    e.preventDefault();
    zoom(e.deltaY < 0 ? 1.1 : 1 / 1.1);
  }, {passive: false});
}
addEventListener('beforeprint', () => document.querySelectorAll('details').forEach(d => { d.open = true; }));
)js";

}  // namespace narrow
