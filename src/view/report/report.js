(function () {
  "use strict";
  const all = (selector, root) => Array.from((root || document).querySelectorAll(selector));
  document.documentElement.classList.add("live");

  // Tables are sorted by a click on a heading: numbers by their value, the rest as text; what has no value comes last.
  all("table.sortable").forEach(table => {
    const body = table.tBodies[0];
    if (!body || body.rows.length < 2) return;
    const order = Array.from(body.rows);
    all("thead th", table).forEach((head, column) => {
      if (!head.textContent.trim()) return;
      const button = document.createElement("button");
      while (head.firstChild) button.appendChild(head.firstChild);
      head.appendChild(button);
      button.addEventListener("click", () => {
        const was = head.getAttribute("aria-sort");
        // Of numbers the largest first, then the smallest, then the order of the page.
        const [first, second] = head.classList.contains("n") ? ["descending", "ascending"] : ["ascending", "descending"];
        const to = was === null ? first : was === first ? second : null;
        all("th", table).forEach(other => other.removeAttribute("aria-sort"));
        if (to === null) {
          body.append(...order);
          return;
        }
        head.setAttribute("aria-sort", to);
        const sign = to === "ascending" ? 1 : -1;
        const key = row => {
          const cell = row.cells[column];
          if (!cell) return null;
          if (cell.dataset.v !== undefined) return parseFloat(cell.dataset.v);
          const text = cell.textContent.trim();
          return head.classList.contains("n") || !text ? null : text;
        };
        const keyed = order.map(row => [key(row), row]);
        keyed.sort(([a], [b]) => {
          if (a === null || b === null) return (a === null) - (b === null);
          if (typeof a === "number" && typeof b === "number") return sign * (a - b);
          return sign * String(a).localeCompare(String(b), "en", { numeric: true });
        });
        body.append(...keyed.map(([, row]) => row));
      });
    });
  });

  // Mistakes in one label.
  all(".mistakes").forEach(part => {
    const control = part.querySelector(".control");
    if (!control) return;
    control.hidden = false;
    const select = control.querySelector("select"), count = part.querySelector(".count"), articles = all("article", part);
    const show = () => {
      let shown = 0;
      articles.forEach(article => {
        const is = select.value === "" || article.dataset.l.split(" ").includes(select.value);
        article.classList.toggle("off", !is);
        shown += is;
      });
      const more = part.querySelector(".more");
      if (more && select.value !== "") more.open = true;
      count.textContent = select.value === "" ? "" : shown + " of them shown here";
    };
    select.addEventListener("change", show);
    show();
  });

  // Trials that are looked for by a word, and settings that pass through what is chosen on axes.
  const sweep = document.getElementById("sweep");
  if (sweep) {
    const find = sweep.querySelector(".find"), reset = sweep.querySelector(".reset");
    const ways = all(".way", sweep), rows = all("table.trials tbody tr", sweep), courses = all(".course", sweep);
    const chosen = new Map();
    const nodes = new Map(ways.map(way => [way.dataset.p, way.getAttribute("d").slice(1).split("L").map(place => parseFloat(place.split(" ")[1]))]));
    const update = () => {
      const word = find ? find.value.trim().toLowerCase() : "";
      const passes = place => {
        const heights = nodes.get(place);
        return [...chosen].every(([axis, [top, bottom]]) => heights && heights[axis] >= top && heights[axis] <= bottom);
      };
      ways.forEach(way => way.classList.toggle("off", !passes(way.dataset.p)));
      courses.forEach(course => course.classList.toggle("off", !passes(course.dataset.p)));
      rows.forEach(row => row.classList.toggle("off", !passes(row.dataset.p) || !row.textContent.toLowerCase().includes(word)));
      if (reset) reset.hidden = !word && chosen.size === 0;
    };
    if (find) {
      find.closest(".control").hidden = false;
      find.addEventListener("input", update);
    }
    all(".pc", sweep).forEach(axis => {
      const brush = axis.querySelector(".brush"), number = +axis.dataset.a, svg = axis.ownerSVGElement;
      const height = event => {
        const point = new DOMPoint(event.clientX, event.clientY).matrixTransform(svg.getScreenCTM().inverse());
        const top = +brush.getAttribute("y");
        return Math.max(top, Math.min(top + +brush.getAttribute("height"), point.y));
      };
      let from = null, mark = null;
      brush.addEventListener("pointerdown", event => {
        from = height(event);
        brush.setPointerCapture(event.pointerId);
        if (mark) mark.remove();
        mark = document.createElementNS(svg.namespaceURI, "rect");
        mark.setAttribute("class", "chosen");
        mark.setAttribute("x", brush.getAttribute("x"));
        mark.setAttribute("width", brush.getAttribute("width"));
        mark.setAttribute("y", from);
        mark.setAttribute("height", 0);
        axis.appendChild(mark);
        event.preventDefault();
      });
      brush.addEventListener("pointermove", event => {
        if (from === null) return;
        const to = height(event), top = Math.min(from, to), bottom = Math.max(from, to);
        mark.setAttribute("y", top);
        mark.setAttribute("height", bottom - top);
        if (bottom - top > 3) chosen.set(number, [top, bottom]);
        else chosen.delete(number);
        update();
      });
      const end = event => {
        if (from === null) return;
        if (Math.abs(height(event) - from) <= 3) {
          chosen.delete(number);
          mark.remove();
          mark = null;
        }
        from = null;
        update();
      };
      brush.addEventListener("pointerup", end);
      brush.addEventListener("pointercancel", end);
    });
    if (reset) reset.addEventListener("click", () => {
      chosen.clear();
      all(".chosen", sweep).forEach(mark => mark.remove());
      if (find) find.value = "";
      update();
    });
    ways.forEach(way => {
      way.addEventListener("pointerenter", () => rows.forEach(row => row.toggleAttribute("data-near", row.dataset.p === way.dataset.p)));
    });
  }

  // Histories to zoom into.
  const data = JSON.parse(document.getElementById("data").textContent);
  const colour = name => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const faded = (text, share) => {
    const value = text.replace("#", "");
    const full = value.length === 3 ? value.replace(/./g, "$&$&") : value;
    const parts = [0, 2, 4].map(at => parseInt(full.slice(at, at + 2), 16));
    return "rgba(" + parts.join(",") + "," + share + ")";
  };
  const dashes = [[], [6, 3], [2, 2], [8, 2, 2, 2]];
  const plots = [];
  const draw = figure => {
    const chart = data.charts[+figure.dataset.chart];
    const series = [{ label: chart.x }], tables = [], bands = [], values = [];
    chart.l.forEach(line => {
      const hue = colour("--c" + (line.c % 4));
      const table = [line.x, line.y];
      series.push({ label: line.n, stroke: hue, width: 1.6, dash: dashes[line.c % 4], spanGaps: true, points: { show: line.d, size: 5, fill: hue } });
      const at = series.length - 1;
      if (line.lo.length) {
        table.push(line.hi, line.lo);
        [" (highest)", " (lowest)"].forEach(end => series.push({ label: line.n + end, class: "end", stroke: "transparent", width: 0, spanGaps: true, points: { show: false } }));
        bands.push({ series: [at + 1, at + 2], fill: faded(hue, 0.18) });
      }
      tables.push(table);
      values.push(...line.y, ...line.hi, ...line.lo);
    });
    const known = values.filter(value => value !== null);
    const low = Math.min(...known), high = Math.max(...known), isLog = low > 0 && high / low > 30;
    const soft = colour("--soft"), edge = colour("--line");
    const axis = { stroke: soft, grid: { stroke: edge, width: 1 }, ticks: { stroke: edge, width: 1 }, font: "11px system-ui, sans-serif" };
    const short = value => value === null || value === undefined ? "\u2013" : Math.abs(value) < 1e-3 && +value !== 0 ? (+(+value).toPrecision(3)).toExponential() : String(+(+value).toPrecision(4));
    // A line says its band, too.
    const told = (plot, value, at, index) => {
      const hasBand = series[at + 1] && series[at + 1].class === "end" && series[at].class !== "end";
      if (value === null || value === undefined || !hasBand) return short(value);
      return short(value) + " (" + short(plot.data[at + 2][index]) + " to " + short(plot.data[at + 1][index]) + ")";
    };
    series.slice(1).forEach(one => { one.value = told; });
    series[0].value = (plot, value) => short(value);
    return new uPlot({
      width: figure.clientWidth, height: 220, series, bands,
      axes: [Object.assign({ size: 34 }, axis), Object.assign({ size: 54, values: (plot, ticks) => ticks.map(tick => tick === null ? "" : short(tick)) }, axis)],
      scales: { x: { time: false }, y: isLog ? { distr: 3 } : {} },
      cursor: { drag: { x: true, y: false } }
    }, tables.length > 1 ? uPlot.join(tables) : tables[0], figure);
  };
  const redraw = () => {
    plots.splice(0).forEach(plot => plot.destroy());
    all(".zoom").forEach(note => note.remove());
    all(".chart[data-chart]").forEach((figure, number) => {
      figure.classList.remove("on");
      if (!figure.clientWidth) return;
      plots.push(draw(figure));
      figure.classList.add("on");
      if (number === 0) {
        const note = document.createElement("p");
        note.className = "zoom";
        note.textContent = "Drag across a chart to zoom in; double-click to see all again.";
        figure.parentNode.before(note);
      }
    });
  };
  redraw();
  let width = innerWidth, waiting = 0;
  addEventListener("resize", () => {
    if (innerWidth === width) return;
    width = innerWidth;
    clearTimeout(waiting);
    waiting = setTimeout(redraw, 150);
  });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redraw);
})();
