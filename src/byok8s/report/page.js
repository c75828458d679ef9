"use strict";
(async () => {
  const $ = (id) => document.getElementById(id);
  const color = (name) => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
  const UNKNOWN = -1, PAGE = 20;

  for (const button of document.querySelectorAll("[data-copy]")) {
    const own = button.textContent;
    button.addEventListener("click", async () => {
      const words = $(button.dataset.copy).textContent;
      try {
        await navigator.clipboard.writeText(words);
        button.textContent = "Copied";
      } catch {  // a file is no secure place in some browsers
        getSelection().selectAllChildren($(button.dataset.copy));
        button.textContent = document.execCommand("copy") ? "Copied" : "Selected";
      }
      setTimeout(() => { button.textContent = own; }, 2000);
    });
  }
  if (!$("tasks-table")) return;

  async function unpacked() {
    const text = atob($("data").textContent);
    const bytes = new Uint8Array(text.length);
    for (let at = 0; at < text.length; at++) bytes[at] = text.charCodeAt(at);
    const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
    return JSON.parse(await new Response(stream).text());
  }

  await new Promise((done) => requestAnimationFrame(() => setTimeout(done)));  // what is not drawn is shown first
  let data;
  try {
    data = await unpacked();
  } catch (error) {
    $("count").textContent = `The table cannot be shown in this browser: ${error.message}. A newer one has DecompressionStream.`;
    return;
  }
  const tries = data.tries, total = tries.id.length;
  for (let at = 1; at < total; at++) tries.given[at] += tries.given[at - 1];
  const BAD = new Set(data.states.map((state, at) => (/ERROR$/.test(state) ? at : -2)));
  const began = (at) => (tries.waited[at] === UNKNOWN ? UNKNOWN : tries.given[at] + tries.waited[at]);
  const failed = (at) => BAD.has(tries.state[at]);

  // -- words --

  function span(hundredths) {
    if (hundredths === UNKNOWN || hundredths === undefined) return "-";
    const seconds = hundredths / 100;
    if (seconds < 10) return `${seconds.toFixed(1)} s`;
    const whole = Math.round(seconds), minutes = Math.floor(whole / 60), hours = Math.floor(minutes / 60);
    if (!minutes) return `${whole} s`;
    return hours ? `${hours} h ${minutes % 60} min` : `${minutes} min ${whole % 60} s`;
  }
  const memory = (mb) => (mb === UNKNOWN ? "-" : mb >= 1000 ? `${+(mb / 1000).toPrecision(3)} GB` : `${Math.round(mb)} MB`);
  const known = (value) => (value === UNKNOWN ? "" : value);
  const named = (names, at) => (at === UNKNOWN ? "" : names[at]);
  const title = (at) => `${data.rules[tries.rule[at]] ?? ""} ${tries.wildcards[at]}`.trim();
  const STATE = new Map(Object.entries(
    { COMPLETE: "done", EXECUTOR_ERROR: "failed", SYSTEM_ERROR: "lost", CANCELED: "ended", RUNNING: "running" }));
  const state = (at) => STATE.get(named(data.states, tries.state[at])) ?? "waiting";

  // -- the table --

  // name, what is sorted by, what is shown
  const COLUMNS = [
    ["Job", title, title],
    ["State", state, (at) => state(at) + (tries.cause[at] === UNKNOWN ? "" : `: ${data.causes[tries.cause[at]]}`)],
    ["Given", (at) => tries.given[at], (at) => `+${span(tries.given[at])}`],
    ["Waited", (at) => tries.waited[at], (at) => span(tries.waited[at])],
    ["Lasted", (at) => tries.lasted[at], (at) => span(tries.lasted[at])],
    ["Fetch", (at) => tries.fetch[at], (at) => span(tries.fetch[at])],
    ["Run", (at) => tries.run[at], (at) => span(tries.run[at])],
    ["Store", (at) => tries.store[at], (at) => span(tries.store[at])],
    ["Threads", (at) => tries.threads[at], (at) => known(tries.threads[at]) || "-"],
    ["CPU", (at) => tries.cpu[at], (at) => (tries.cpu[at] === UNKNOWN ? "-" : span(tries.cpu[at] * 100))],
    ["Memory", (at) => tries.asked[at], (at) => memory(tries.asked[at])],
    ["Most used", (at) => tries.peak[at], (at) => memory(tries.peak[at])],
    ["Read", (at) => tries.read[at], (at) => memory(tries.read[at])],
    ["Written", (at) => tries.written[at], (at) => memory(tries.written[at])],
    ["Try", (at) => tries.attempt[at], (at) => tries.attempt[at]],
    ["Exit", (at) => tries.exit[at] ?? -Infinity, (at) => tries.exit[at] ?? "-"],
    ["Node", (at) => named(data.nodes, tries.node[at]), (at) => named(data.nodes, tries.node[at]) || "-"],
    ["Id", (at) => tries.id[at], (at) => tries.id[at]],
  ];
  const TEXT = new Set(["Job", "State", "Node", "Id"]);
  let order = { column: -1, down: false }, page = 0, found = [];

  function cell(tag, words, kind) {
    const made = document.createElement(tag);
    made.textContent = words;
    if (kind) made.className = kind;
    return made;
  }
  const table = document.createElement("table"), body = document.createElement("tbody");
  const heads = COLUMNS.map(([name], column) => {
    const head = cell("th", "", TEXT.has(name) ? "" : "num"), button = cell("button", name);
    head.scope = "col";
    button.type = "button";
    button.addEventListener("click", () => {
      order = { column, down: order.column === column && !order.down };
      search();
    });
    head.append(button);
    return head;
  });
  {
    const row = document.createElement("tr"), head = document.createElement("thead");
    row.append(...heads);
    head.append(row);
    table.append(cell("caption", "Tries of jobs"), head, body);
    $("tasks-table").append(table);
  }

  function search() {
    const words = $("search").value.toLowerCase().split(/\s+/).filter(Boolean), only = $("failed").checked;
    found = [];
    for (let at = 0; at < total; at++) {
      if (only && !failed(at)) continue;
      if (words.length) {
        const said = `${title(at)} ${tries.id[at]} ${COLUMNS[1][2](at)} ${named(data.nodes, tries.node[at])} ${named(data.workers, tries.worker[at])}`.toLowerCase();
        if (!words.every((word) => said.includes(word))) continue;
      }
      found.push(at);
    }
    if (order.column >= 0) {
      const key = COLUMNS[order.column][1], keys = new Map(found.map((at) => [at, key(at)])), sign = order.down ? -1 : 1;
      found.sort((one, other) => {
        const a = keys.get(one), b = keys.get(other);
        return sign * (a < b ? -1 : a > b ? 1 : one - other);
      });
    }
    page = 0;
    show();
  }

  function show() {
    const first = page * PAGE, rows = found.slice(first, first + PAGE);
    body.replaceChildren(...rows.map((at) => {
      const row = document.createElement("tr");
      COLUMNS.forEach(([name, , words], column) => {
        const made = cell(column ? "td" : "th", words(at), TEXT.has(name) ? "" : "num");
        if (!column) made.scope = "row";
        row.append(made);
      });
      if (failed(at)) row.className = "is-failed";
      return row;
    }));
    heads.forEach((head, column) => {
      if (column === order.column) head.setAttribute("aria-sort", order.down ? "descending" : "ascending");
      else head.removeAttribute("aria-sort");
    });
    $("count").textContent = found.length
      ? `${first + 1} to ${first + rows.length} of ${found.length}` + (found.length < total ? ` found, of ${total} tries` : " tries")
      : "Nothing is found.";
    $("before").disabled = page === 0;
    $("next").disabled = first + PAGE >= found.length;
  }

  let pause;
  $("search").addEventListener("input", () => { clearTimeout(pause); pause = setTimeout(search, total > 5000 ? 250 : 0); });
  $("failed").addEventListener("change", search);
  $("before").addEventListener("click", () => { page--; show(); });
  $("next").addEventListener("click", () => { page++; show(); });

  // -- CSV --

  const seconds = (hundredths) => (hundredths === UNKNOWN ? "" : (hundredths / 100).toFixed(2));
  const FIELDS = {
    id: (at) => tries.id[at], rule: (at) => named(data.rules, tries.rule[at]), wildcards: (at) => tries.wildcards[at],
    state: (at) => named(data.states, tries.state[at]), cause: (at) => named(data.causes, tries.cause[at]), exit: (at) => tries.exit[at] ?? "",
    attempt: (at) => tries.attempt[at], given_s: (at) => seconds(tries.given[at]), began_s: (at) => seconds(began(at)),
    lasted_s: (at) => seconds(tries.lasted[at]), fetch_s: (at) => seconds(tries.fetch[at]), run_s: (at) => seconds(tries.run[at]),
    store_s: (at) => seconds(tries.store[at]), threads: (at) => known(tries.threads[at]), mem_mb: (at) => known(tries.asked[at]),
    max_rss_mb: (at) => known(tries.peak[at]), cpu_time_s: (at) => known(tries.cpu[at]),
    io_in_mb: (at) => known(tries.read[at]), io_out_mb: (at) => known(tries.written[at]), node: (at) => named(data.nodes, tries.node[at]),
    pod: (at) => named(data.workers, tries.worker[at]),
  };
  function quoted(value) {
    let words = String(value);
    if (typeof value === "string" && /^[=+\-@\t\r]/.test(words)) words = `'${words}`;  // no formula for a spreadsheet
    return /[",\r\n]/.test(words) ? `"${words.replaceAll('"', '""')}"` : words;
  }
  $("csv").addEventListener("click", () => {
    const rows = found.map((at) => Object.values(FIELDS).map((field) => quoted(field(at))).join(","));
    const file = new Blob([[Object.keys(FIELDS).join(","), ...rows, ""].join("\r\n")], { type: "text/csv" });
    const link = document.createElement("a");
    link.href = URL.createObjectURL(file);
    link.download = `${data.run.replace(/[^\w.-]/g, "_")}.csv`;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 10000);
  });
  search();

  // -- over time --

  const length = Math.max(data.length, 1), shown = { low: 0, high: length };
  let chart;

  function clamp(low, high) {
    const width = Math.min(Math.max(high - low, Math.min(length, 20)), length);
    shown.low = Math.min(Math.max(low, 0), length - width);
    shown.high = shown.low + width;
  }
  function see(low, high) {
    clamp(low, high);
    chart.setScale("x", { min: shown.low / 100, max: shown.high / 100 });
  }
  const STEPS = {
    in: () => see(shown.low + (shown.high - shown.low) / 4, shown.high - (shown.high - shown.low) / 4),
    out: () => see(shown.low - (shown.high - shown.low) / 2, shown.high + (shown.high - shown.low) / 2),
    left: () => see(shown.low - (shown.high - shown.low) / 3, shown.high - (shown.high - shown.low) / 3),
    right: () => see(shown.low + (shown.high - shown.low) / 3, shown.high + (shown.high - shown.low) / 3),
    all: () => see(0, length),
  };
  for (const button of document.querySelectorAll("[data-do]")) button.addEventListener("click", STEPS[button.dataset.do]);

  const INCREMENTS = [.1, .2, .5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 28800, 43200, 86400, 172800, 604800];

  function drawCores() {
    const [step, ...lines] = data.cores, place = $("cores");
    const at = lines[0].map((_, number) => number * step);
    const grid = { stroke: color("line"), width: 1 }, axis = { stroke: color("quiet"), grid, ticks: grid, font: "12px system-ui, sans-serif" };
    const stepped = uPlot.paths.stepped({ align: 1 });
    const cores = (_, value) => (value == null ? "-" : value.toFixed(2));
    const line = (label, name, fill) => ({ label, stroke: color(name), width: 1.5, paths: stepped, points: { show: false }, value: cores, fill });
    const { low, high } = shown;
    if (chart) chart.destroy();
    chart = new uPlot({
      width: Math.max(place.clientWidth, 200), height: 220,
      scales: { x: { time: false, min: 0, max: length / 100 }, y: { range: (_, low, high) => [0, Math.max(high * 1.05, 1)] } },
      axes: [{ ...axis, space: 80, incrs: INCREMENTS, values: (_, ticks) => ticks.map((tick) => (tick ? span(tick * 100) : "0")) }, { ...axis, size: 45 }],
      cursor: { drag: { x: true, y: false }, y: false },
      hooks: { setScale: [(plot, key) => {
        const { min, max } = plot.scales.x;
        if (key === "x" && min != null) clamp(min * 100, max * 100);
      }], draw: [() => drawLanes()] },
      series: [
        { label: "Time", value: (_, value) => (value == null ? "-" : `+${span(value * 100)}`) },
        line("Reserved", "queue", color("idle")), line("Asked for by running jobs", "store"), line("Used", "run"),
      ],
    }, [at, ...lines], place);
    see(low, high);
  }

  // -- a line for each worker, and one for the controller's machine --

  const LIFE = [["node", "waiting for a node"], ["pull", "pulling, starting the pod"], ["start", "starting the worker"], ["idle", "idle"]];
  const WORK = [["fetch", "fetching"], ["run", "running"], ["store", "storing"], ["handover", "handing over"], ["failed", "failed"]];
  const rows = data.workers.map(() => []), here = [];
  for (let at = 0; at < total; at++) if (tries.waited[at] !== UNKNOWN) (tries.worker[at] === UNKNOWN ? here : rows[tries.worker[at]])?.push(at);
  const lives = data.lives.slice();
  while (lives.length < rows.length) lives.push(null);  // of a pod that no event tells of
  if (here.length) { rows.push(here); lives.push(null); }
  const HEIGHT = rows.length > 100 ? 8 : rows.length > 30 ? 13 : 20, GAP = HEIGHT > 8 ? 3 : 1;
  const view = $("lanes-view"), canvas = $("lanes");
  for (const [name, words] of [...LIFE, ...WORK]) {
    const key = cell("span", words), mark = cell("i", "", "key");
    mark.style.background = `var(--${name})`;
    key.prepend(mark);
    $("legend").append(key);
  }

  function drawLanes() {
    const width = view.clientWidth, height = Math.min(rows.length * HEIGHT + 2, 460), scale = devicePixelRatio || 1;
    canvas.style.height = `${height}px`;
    $("lanes-height").style.height = `${Math.max(0, rows.length * HEIGHT + 2 - height)}px`;
    canvas.width = width * scale;
    canvas.height = height * scale;
    // below the chart, with the same scale
    const inset = chart.bbox.left / uPlot.pxRatio, space = chart.bbox.width / uPlot.pxRatio;
    const brush = canvas.getContext("2d"), per = space / (shown.high - shown.low);
    const colors = Object.fromEntries([...LIFE, ...WORK].map(([name]) => [name, color(name)]));
    brush.scale(scale, scale);
    Object.assign(brush, { font: "10px system-ui, sans-serif", textAlign: "right", textBaseline: "middle" });
    let top;
    const block = (from, to, name) => {
      const left = Math.max(0, (from - shown.low) * per), right = Math.min(space, (to - shown.low) * per);
      if (right < 0 || left > space || to <= from) return;
      brush.fillStyle = colors[name];
      brush.fillRect(inset + left, top, Math.max(right - left, .6), HEIGHT - GAP);
    };
    const first = Math.floor(view.scrollTop / HEIGHT), last = Math.min(rows.length, Math.ceil((view.scrollTop + height) / HEIGHT) + 1);
    for (let row = first; row < last; row++) {
      top = row * HEIGHT - view.scrollTop + 1;
      if (HEIGHT > 10) {
        brush.fillStyle = color("quiet");
        brush.fillText(row < data.workers.length ? row : "here", inset - 6, top + (HEIGHT - GAP) / 2);
      }
      if (lives[row]) LIFE.forEach(([name], at) => block(lives[row][at], lives[row][at + 1], name));
      for (const at of rows[row]) {
        const start = began(at), end = start + tries.lasted[at];
        if (end < shown.low || start > shown.high) continue;
        if (failed(at)) { block(start, end, "failed"); continue; }
        if (tries.worker[at] === UNKNOWN || tries.fetch[at] === UNKNOWN) { block(start, end, "run"); continue; }
        // what is between the phases comes first: the job's process starts
        const own = [tries.fetch[at], tries.run[at], tries.store[at]].map((took) => Math.max(took, 0));
        let from = Math.max(start, end - own[0] - own[1] - own[2]);
        block(start, from, "handover");
        ["fetch", "run", "store"].forEach((name, phase) => {
          const to = Math.min(end, from + own[phase]);
          block(from, phase === 1 && tries.store[at] === UNKNOWN ? end : to, name);
          from = to;
        });
        if ((end - start) * per > 6) {  // jobs that follow one another are told apart
          brush.fillStyle = color("ground");
          brush.fillRect(inset + (end - shown.low) * per - 1, top, 1, HEIGHT - GAP);
        }
      }
    }
  }
  view.addEventListener("scroll", () => requestAnimationFrame(drawLanes));
  view.addEventListener("mousemove", (event) => {
    const box = canvas.getBoundingClientRect(), row = Math.floor((event.clientY - box.top + view.scrollTop) / HEIGHT);
    const inset = chart.bbox.left / uPlot.pxRatio, space = chart.bbox.width / uPlot.pxRatio;
    const when = shown.low + (event.clientX - box.left - inset) / space * (shown.high - shown.low);
    const at = rows[row]?.find((at) => began(at) <= when && when <= began(at) + tries.lasted[at]);
    const who = data.workers[row] ?? "the controller's machine";
    $("hover").textContent = row >= rows.length || row < 0 ? "" : `+${span(when)}, ${who}` + (at === undefined ? "" :
      `: ${title(at)} (${tries.id[at]}), ${COLUMNS[1][2](at)}, ${span(tries.lasted[at])}: fetch ${span(tries.fetch[at])}, run ${span(tries.run[at])}, store ${span(tries.store[at])}`);
  });

  const draw = drawCores;  // which draws the lines below it, too
  draw();
  document.body.dataset.drawn = "";
  let width = view.clientWidth;
  new ResizeObserver(() => { if (view.clientWidth !== width) { width = view.clientWidth; draw(); } }).observe(view);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
  addEventListener("beforeprint", () => { document.documentElement.dataset.theme = "light"; draw(); });
  addEventListener("afterprint", () => { delete document.documentElement.dataset.theme; draw(); });
})();
