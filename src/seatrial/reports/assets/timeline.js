// The time line: two charts and the lanes share one time axis, one zoom and one cursor. No framework, no network.
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const css = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const $ = (id) => document.getElementById(id);

  for (const button of document.querySelectorAll("[data-filter]"))
    button.addEventListener("click", () => {
      for (const other of document.querySelectorAll("[data-filter]")) other.setAttribute("aria-pressed", String(other === button));
      for (const row of document.querySelectorAll("#reqs tbody tr"))
        row.hidden = button.dataset.filter !== "all" && row.dataset.s !== button.dataset.filter;
    });
  const open = () => { const it = location.hash && $(location.hash.slice(1)); if (it && it.tagName === "DETAILS") it.open = true; };
  addEventListener("hashchange", open); open();

  const names = Object.keys(data.series), which = $("which");
  for (const name of names) which.add(new Option(name, name));
  if (!names.length) { which.parentElement.hidden = true; }

  const range = { min: 0, max: Math.max(1, data.end) };
  let charts = [];
  const colours = () => ({ offered: css("--dim"), ok: css("--pass"), bad: css("--fail"), p50: css("--accent"), p95: "#8250df", p99: "#bc4c00", max: css("--dim") });

  const shade = (u) => {
    const { ctx, bbox } = u;
    ctx.save(); ctx.beginPath(); ctx.rect(bbox.left, bbox.top, bbox.width, bbox.height); ctx.clip();
    for (const fault of data.faults) {
      const a = u.valToPos(fault.from, "x", true), b = u.valToPos(fault.to, "x", true);
      ctx.fillStyle = css("--fault"); ctx.fillRect(a, bbox.top, Math.max(2, b - a), bbox.height);
      if (fault.seen !== null) { const s = u.valToPos(fault.seen, "x", true); ctx.strokeStyle = css("--fail"); ctx.lineWidth = devicePixelRatio; ctx.beginPath(); ctx.moveTo(s, bbox.top); ctx.lineTo(s, bbox.top + bbox.height); ctx.stroke(); }
    }
    ctx.restore();
  };
  const label = (u) => {
    const { ctx, bbox } = u; let right = -1e9;
    ctx.save(); ctx.font = `${11 * devicePixelRatio}px system-ui, sans-serif`; ctx.fillStyle = css("--fail"); ctx.textBaseline = "top"; ctx.textAlign = "left";
    for (const fault of data.faults) {
      const x = u.valToPos(fault.from, "x", true) + 3 * devicePixelRatio, who = fault.victims;
      const text = `${fault.kind} ${who.length > 1 ? `${who[0].split("#")[0]} (${who.length})` : who[0]}`;
      if (x < bbox.left || x > bbox.left + bbox.width || x < right) continue;
      ctx.fillText(text, x, bbox.top + 2); right = x + ctx.measureText(text).width + 8 * devicePixelRatio;
    }
    ctx.restore();
  };
  const axis = (extra) => ({ stroke: css("--dim"), grid: { stroke: css("--line"), width: 1 }, ticks: { stroke: css("--line") }, font: "12px system-ui, sans-serif", ...extra });
  const seconds = (ms) => ms >= 1000 ? `${+(ms / 1000).toPrecision(3)} s` : `${+ms.toPrecision(3)} ms`;

  const options = (width, height, title, series, scale, values) => ({
    width, height, title: "", padding: [6, 8, 0, 0],
    cursor: { sync: { key: "trial" }, drag: { x: true, y: false } }, legend: { show: false },
    scales: { x: { time: false, range: (u, lo, hi) => [Math.max(0, lo ?? range.min), hi ?? range.max] }, y: scale },
    axes: [axis({ values: (u, v) => v.map((t) => `+${t} s`) }), axis({ size: 66, values, label: title, labelSize: 18, labelFont: "12px system-ui, sans-serif" })],
    series: [{}, ...series],
    hooks: { drawClear: [shade], draw: [label], setScale: [(u, key) => { if (key === "x") follow(u); }], setCursor: [point] },
  });

  let following = false;
  const follow = (u) => {
    if (following) return; following = true;
    range.min = u.scales.x.min; range.max = u.scales.x.max;
    for (const chart of charts) if (chart !== u) chart.setScale("x", { min: range.min, max: range.max });
    following = false; lanes(); const s = data.series[which.value]; shapes(s && s.load);
  };
  const point = (u) => {
    const i = u.cursor.idx, s = data.series[which.value];
    if (i == null || !s) { $("tip").textContent = ""; return; }
    const t = s.t[i], wall = new Date(Date.parse(data.wall.replace(" ", "T")) + t * 1000).toISOString().replace("T", " ").slice(0, 23);
    const say = (v, f) => v == null ? "no sample" : f(v);
    $("tip").textContent = `+${t.toFixed(1)} s (${wall} UTC)  offered ${say(s.offered[i], (v) => v + "/s")}  ok ${say(s.ok[i], (v) => v + "/s")}  errors ${say(s.bad[i], (v) => v + "/s")}  p50 ${say(s.p50[i], seconds)}  p95 ${say(s.p95[i], seconds)}  p99 ${say(s.p99[i], seconds)}  max ${say(s.max[i], seconds)}${s.users && s.users[i] != null ? `  users ${s.users[i]}` : ""}`;
  };

  const draw = () => {
    for (const chart of charts) chart.destroy();
    charts = [];
    const s = data.series[which.value], c = colours(), width = $("ops").clientWidth, small = width < 560;
    if (s) {
      const line = (name, stroke, extra) => ({ label: name, stroke, width: 1.5, spanGaps: false, points: { show: false }, ...extra });
      charts = [
        new uPlot(options(width, small ? 170 : 210, "operations/s", [line("offered", c.offered, { dash: [4, 4] }), line("ok", c.ok, { fill: c.ok + "22" }), line("errors", c.bad, { width: 2 })], { range: (u, lo, hi) => [0, Math.max(1, hi * 1.1)] }, (u, v) => v), [s.t, s.offered, s.ok, s.bad], $("ops")),
        new uPlot(options(width, small ? 170 : 210, "response time", [line("p50", c.p50), line("p95", c.p95), line("p99", c.p99), line("max", c.max, { dash: [2, 3] })], { distr: 3, log: 10 }, (u, v) => v.map((x) => x == null ? "" : seconds(x))), [s.t, s.p50, s.p95, s.p99, s.max], $("lat")),
      ];
      $("crowd").hidden = !s.users;
      if (s.users) charts.push(new uPlot(options(width, small ? 100 : 120, "users", [line("users", c.p50, { fill: c.p50 + "22" })], { range: (u, lo, hi) => [0, Math.max(1, hi * 1.1)] }, (u, v) => v), [s.t, s.users], $("crowd")));
      $("keys").innerHTML = [["offered", c.offered, "dashed"], ["ok", c.ok], ["errors", c.bad], ["p50", c.p50], ["p95", c.p95], ["p99", c.p99], ["max", c.max, "dotted"]].map(([n, col, st]) => `<span><i style="border-color:${col};border-top-style:${st || "solid"}"></i>${n}</span>`).join("");
    }
    used(c, width, small); lanes(); shapes(s && s.load);
  };

  // What each service used: cores and memory, all its instances together.
  const palette = ["#0550ae", "#bc4c00", "#1a7f37", "#8250df", "#b3261e", "#0e7490", "#9a6700", "#bf3989"];
  const used = (c, width, small) => {
    const names = Object.keys(data.usage.mib);
    $("used").hidden = !names.length;
    if (!names.length) return;
    const lines = names.map((name, i) => ({ label: name, stroke: palette[i % palette.length], width: 1.5, spanGaps: false, points: { show: false } }));
    const plain = { range: (u, lo, hi) => [0, Math.max(.1, (hi ?? 1) * 1.1)] }, height = small ? 130 : 150;
    const quiet = (o) => ({ ...o, hooks: { ...o.hooks, setCursor: [] } });  // its places are not those of the clients' curves
    charts.push(
      new uPlot(quiet(options(width, height, "cores", lines, plain, (u, v) => v)), [data.usage.t, ...names.map((n) => data.usage.cores[n])], $("cpu")),
      new uPlot(quiet(options(width, height, "memory", lines, plain, (u, v) => v.map((x) => `${x} MiB`))), [data.usage.t, ...names.map((n) => data.usage.mib[n])], $("memory")));
    $("services").innerHTML = names.map((n, i) => `<span><i style="border-color:${palette[i % palette.length]}"></i>${n}</span>`).join("");
  };

  const canvas2d = (id, height) => {
    const canvas = $(id), dpr = devicePixelRatio, width = canvas.clientWidth;
    canvas.style.height = `${height}px`; canvas.width = width * dpr; canvas.height = height * dpr;
    const ctx = canvas.getContext("2d"); ctx.scale(dpr, dpr); ctx.clearRect(0, 0, width, height);
    ctx.font = "11px system-ui, sans-serif"; ctx.fillStyle = css("--dim"); ctx.textBaseline = "middle";
    return [ctx, width];
  };

  // A load's response times: how many took how long over time (darker is more), and by percentile.
  const shapes = (load) => {
    $("shapes").hidden = !load;
    if (!load) return;
    const left = 84, right = 8, { heat, curve } = load, rows = heat.edges.length - 1, row = Math.max(7, Math.min(16, 150 / rows));
    let [ctx, width] = canvas2d("heat", rows * row + 22);
    const x = (t) => left + (t - range.min) / (range.max - range.min) * (width - left - right);
    const most = Math.max(1, ...heat.counts.flat());
    ctx.save(); ctx.beginPath(); ctx.rect(left, 0, width - left - right, rows * row); ctx.clip(); ctx.fillStyle = css("--accent");
    heat.counts.forEach((column, i) => column.forEach((n, j) => {
      if (!n) return;
      const a = x(heat.from + i * heat.step), b = x(heat.from + (i + 1) * heat.step);
      ctx.globalAlpha = .12 + .88 * Math.log1p(n) / Math.log1p(most); ctx.fillRect(a, (rows - 1 - j) * row, Math.max(1, b - a), row - 1);
    }));
    ctx.restore(); ctx.textAlign = "right";
    const each = Math.max(1, Math.ceil(rows / 6));
    for (let j = 0; j <= rows; j += each) ctx.fillText(seconds(heat.edges[j]), left - 8, Math.min(rows * row - 5, Math.max(6, (rows - j) * row)));
    ctx.textAlign = "left"; ctx.fillText("requests by response time; darker: more", left, rows * row + 12);

    [ctx, width] = canvas2d("curve", 150);
    const bottom = 120, top = 8, nines = (p) => -Math.log10(1 - Math.min(p, 99.995) / 100), end = nines(100);
    const lo = Math.log10(Math.max(1e-3, curve[0][1])), hi = Math.max(lo + .3, Math.log10(curve[curve.length - 1][1]));
    const px = (p) => left + nines(p) / end * (width - left - right - 30), py = (ms) => bottom - (Math.log10(Math.max(1e-3, ms)) - lo) / (hi - lo) * (bottom - top);
    ctx.strokeStyle = css("--line"); ctx.textAlign = "center";
    for (const p of [50, 90, 99, 99.9, 99.99]) { ctx.beginPath(); ctx.moveTo(px(p), top); ctx.lineTo(px(p), bottom); ctx.stroke(); ctx.fillText(`${p} %`, px(p), bottom + 12); }
    ctx.strokeStyle = css("--accent"); ctx.lineWidth = 2; ctx.beginPath();
    curve.forEach(([p, ms], i) => i ? ctx.lineTo(px(p), py(ms)) : ctx.moveTo(px(p), py(ms))); ctx.stroke();
    ctx.textAlign = "right"; for (const ms of [curve[0][1], curve[curve.length - 1][1]]) ctx.fillText(seconds(ms), left - 8, Math.max(8, py(ms)));
  };

  const lanes = () => {
    const canvas = $("lanes"), entries = Object.entries(data.lanes), dpr = devicePixelRatio, width = canvas.clientWidth;
    const row = 18, top = 4, left = 66 + 18, right = 8, height = top + entries.length * row + 6;
    canvas.style.height = `${height}px`; canvas.width = width * dpr; canvas.height = height * dpr;
    const ctx = canvas.getContext("2d"); ctx.scale(dpr, dpr); ctx.clearRect(0, 0, width, height);
    const x = (t) => left + (t - range.min) / (range.max - range.min) * (width - left - right);
    const fill = { ready: css("--pass"), running: css("--accent"), starting: css("--accent"), paused: css("--maybe"), down: css("--fail") };
    ctx.save(); ctx.beginPath(); ctx.rect(left, 0, width - left - right, height); ctx.clip();
    ctx.fillStyle = css("--fault"); for (const f of data.faults) ctx.fillRect(x(f.from), 0, Math.max(1, x(f.to) - x(f.from)), height);
    entries.forEach(([name, spans], i) => {
      const y = top + i * row;
      for (const [a, b, state] of spans) {
        ctx.fillStyle = fill[state] || css("--dim"); ctx.globalAlpha = state === "ready" ? .35 : .85;
        ctx.fillRect(x(a), y + 4, Math.max(1, x(b) - x(a)), row - 8); ctx.globalAlpha = 1;
        if (state !== "ready" && x(b) - x(a) > 44) { ctx.fillStyle = css("--bg"); ctx.font = "10px system-ui, sans-serif"; ctx.textBaseline = "middle"; ctx.fillText(state, x(a) + 3, y + row / 2); }
      }
    });
    ctx.font = "bold 10px system-ui, sans-serif"; ctx.textBaseline = "middle";
    const holders = {};
    for (const r of data.roles) for (const instance of r.instances) {
      const i = entries.findIndex(([n]) => n === instance), key = `${r.service}/${r.role}`;
      if (i >= 0 && ["primary", "master", "leader"].includes(r.role) && holders[key] !== instance) { holders[key] = instance; ctx.fillStyle = css("--fg"); ctx.fillText(`★ ${r.role}`, x(r.at) + 2, top + i * row + row / 2); }
    }
    ctx.restore();
    ctx.font = "11px system-ui, sans-serif"; ctx.fillStyle = css("--dim"); ctx.textBaseline = "middle"; ctx.textAlign = "right";
    entries.forEach(([name], i) => ctx.fillText(name.length > 14 ? name.replace("sentinel", "sent.") : name, left - 6, top + i * row + row / 2, left - 8)); ctx.textAlign = "left";
  };

  which.addEventListener("change", draw);
  let timer; addEventListener("resize", () => { clearTimeout(timer); timer = setTimeout(draw, 120); });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
  draw();
})();
