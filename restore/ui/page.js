"use strict";

// Everything shown comes from the API and goes in as text, never as HTML. The key stays in this
// tab's session storage: it is in no link, no history and no other tab.

const BASE = location.pathname.replace(/\/ui(\/.*)?$/, "");
const ID = (location.pathname.match(/\/ui\/restores\/([0-9a-f]{16})$/) || [])[1];
const KEY = "restore-function-key";
const main = document.getElementById("main");
const dialog = document.getElementById("dialog");
const connection = document.getElementById("connection");
document.getElementById("home").href = `${BASE}/ui`;

const STATUS = {
  succeeded: ["✓", "good", "Succeeded"],
  succeeded_with_warnings: ["✓", "good", "Succeeded, with warnings"],
  partial: ["!", "bad", "Published, but something was lost"],
  failed: ["✕", "bad", "Failed"],
  cancelled: ["–", "soft", "Cancelled"],
  awaiting_approval: ["?", "warn", "Waits for your approval"],
  requested: ["…", "", "Requested"],
  extracting: ["…", "", "Azure Backup writes the files"],
  preparing: ["…", "", "Reading the files and the server"],
  restoring: ["…", "", "Restoring"],
  finishing: ["…", "", "Finishing"],
  unreadable: ["!", "bad", "Cannot be read"],
};
const UNSETTLED = new Set(["open", "asked", "closing"]); // of what was replaced
const STEPS = ["requested", "extracting", "preparing", "awaiting_approval", "restoring", "finishing"];

// ---- small things -------------------------------------------------------------------------------

function h(tag, about = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(about)) {
    if (name === "grow") node.style.flexGrow = value; // an attribute would be refused by the policy
    else if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (value === true) node.setAttribute(name, "");
    else if (value !== false && value !== null && value !== undefined) node.setAttribute(name, value);
  }
  node.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== ""));
  return node;
}

function bytes(count) {
  const units = ["bytes", "KiB", "MiB", "GiB", "TiB"];
  let unit = 0;
  while (count >= 1024 && unit < units.length - 1) { count /= 1024; unit += 1; }
  return `${unit ? count.toFixed(1) : count} ${units[unit]}`;
}

function duration(seconds) {
  if (seconds > 0 && seconds < 10) return `${Math.max(0.1, seconds).toFixed(1)} s`;
  const s = Math.max(0, Math.round(seconds));
  if (s < 90) return `${s} s`;
  if (s < 5400) return `${Math.round(s / 60)} min`;
  return `${Math.floor(s / 3600)} h ${Math.round((s % 3600) / 60)} min`;
}

function clock(instant) {
  return h("time", { datetime: instant, title: instant }, new Date(instant).toLocaleString());
}

function copyable(text) {
  const command = h("pre", {}, text);
  const button = h("button", {
    class: "small",
    type: "button",
    onclick: async () => {
      try {
        await navigator.clipboard.writeText(command.textContent);
        button.textContent = "Copied";
      } catch {
        button.textContent = "Select the text and copy it";
      }
    },
  }, "Copy");
  return h("div", { "data-key": text }, command, button);
}

// ---- in place -----------------------------------------------------------------------------------

const OWN = new Set(["open", "style"]); // the reader's own, and one that is set in another way

function keyOf(node) {
  return node.nodeType === Node.ELEMENT_NODE
    ? node.id || node.dataset.key || node.getAttribute("aria-labelledby") || "" : "";
}

// Makes `now` what `next` is and leaves alone what is so already: who reads, has something open, or is
// at a button stays there. Elements are the same if they have the same key, or the same place.
function become(now, next) {
  if (now.nodeType === Node.TEXT_NODE) {
    if (now.data !== next.data) now.data = next.data;
    return;
  }
  for (const name of now.getAttributeNames()) {
    if (!next.hasAttribute(name) && !OWN.has(name)) now.removeAttribute(name);
  }
  for (const name of next.getAttributeNames()) {
    if (now.getAttribute(name) !== next.getAttribute(name) && !OWN.has(name)) {
      now.setAttribute(name, next.getAttribute(name));
    }
  }
  if (now.style.cssText !== next.style.cssText) now.style.cssText = next.style.cssText;
  becomeAll(now, [...next.childNodes]);
}

function becomeAll(parent, nodes) {
  const wanted = new Set(nodes.map(keyOf).filter(Boolean));
  for (const child of [...parent.childNodes]) {
    if (keyOf(child) && !wanted.has(keyOf(child))) child.remove();
  }
  const known = new Map([...parent.childNodes].filter(keyOf).map((child) => [keyOf(child), child]));
  let at = parent.firstChild;
  for (const node of nodes) {
    const key = keyOf(node);
    const same = key ? known.get(key) : at && !keyOf(at) && at.nodeName === node.nodeName ? at : null;
    if (!same || same.nodeName !== node.nodeName) { parent.insertBefore(node, at); continue; }
    if (same === at) at = at.nextSibling;
    else parent.insertBefore(same, at);
    become(same, node);
  }
  while (at) { const rest = at; at = at.nextSibling; rest.remove(); }
}

// ---- the API ------------------------------------------------------------------------------------

class Refused extends Error {
  constructor(status, problem) {
    super(problem.detail || `The answer was ${status}.`);
    this.status = status;
    this.hint = problem.hint || "";
  }
}

const etags = new Map();

async function call(method, path, body) {
  const headers = {};
  const key = sessionStorage.getItem(KEY);
  if (key) headers["x-functions-key"] = key;
  if (body) headers["Content-Type"] = "application/json";
  const known = method === "GET" ? etags.get(path) : undefined;
  if (known) headers["If-None-Match"] = known;
  const answer = await fetch(BASE + path, {
    method, headers, body, cache: "no-store", credentials: "same-origin", redirect: "manual",
  });
  if (answer.status === 304) return null;
  if (answer.type === "opaqueredirect") throw new Refused(401, {}); // to a sign-in
  const text = await answer.text();
  let found = {};
  try { found = JSON.parse(text); } catch { found = { text }; }
  if (!answer.ok) throw new Refused(answer.status, found);
  if (answer.headers.get("ETag")) etags.set(path, answer.headers.get("ETag"));
  return found;
}

// ---- asking -------------------------------------------------------------------------------------

function ask({ title, lines, typed, action, does }) {
  const said = h("p", { class: "bad", role: "alert" });
  const input = typed ? h("input", { id: "typed", autocomplete: "off", spellcheck: "false" }) : null;
  const go = h("button", { class: "main", type: "submit", disabled: Boolean(typed) }, action);
  if (input) input.addEventListener("input", () => { go.disabled = input.value.trim() !== typed; });
  const form = h("form", {
    onsubmit: async (event) => {
      event.preventDefault();
      if (input && input.value.trim() !== typed) return;
      go.disabled = true;
      try {
        await does();
        dialog.close();
        etags.clear();
        await refresh();
      } catch (error) {
        said.textContent = [error.message, error.hint].filter(Boolean).join(" ");
        go.disabled = false;
      }
    },
  },
  h("h2", { id: "dialog-title" }, title),
  lines.map((line) => h("p", {}, line)),
  input ? h("label", { for: "typed" }, "Type ", h("strong", {}, typed), " to confirm") : null,
  input,
  said,
  h("div", { class: "actions" }, go,
    h("button", { type: "button", onclick: () => dialog.close() }, "Not now")));
  dialog.replaceChildren(form);
  dialog.showModal();
  (input || go).focus();
}

async function askForKey(wrong) {
  const input = h("input", { id: "key", type: "password", autocomplete: "off" });
  const form = h("form", {
    onsubmit: (event) => {
      event.preventDefault();
      sessionStorage.setItem(KEY, input.value.trim());
      etags.clear();
      main.replaceChildren(h("p", {}, "Asking…"));
      loop();
    },
  },
  h("h1", {}, "Who are you?"),
  wrong ? h("p", { class: "bad", role: "alert" }, "This key was not accepted.") : null,
  h("label", { for: "key" }, "Function key"), input,
  h("p", { class: "soft" }, "It stays in this tab until you close it."),
  h("div", { class: "actions" }, h("button", { class: "main", type: "submit" }, "Show the restores")));
  main.replaceChildren(h("section", {}, form));
  try {
    const found = await fetch("/.auth/me", { credentials: "same-origin" });
    if (found.status !== 404) {
      const back = encodeURIComponent(location.pathname);
      form.append(h("p", {}, h("a", { href: `/.auth/login/aad?post_login_redirect_uri=${back}` },
        "Or sign in with Microsoft")));
    }
  } catch { /* no sign-in here: the key it is */ }
  input.focus();
}

// ---- the list -----------------------------------------------------------------------------------

function statusOf(name) {
  const [sign, color, words] = STATUS[name] || ["…", "", name];
  return h("span", { class: color }, h("span", { "aria-hidden": "true" }, `${sign} `), words);
}

function list({ restores }) {
  document.title = "Restores";
  const lines = restores.map((one) => h("li", { "data-key": one.id }, h("div", { class: "row" },
    h("a", { href: `${BASE}/ui/restores/${one.id}` }, one.target || one.id),
    statusOf(one.status), h("span", { class: "soft" }, clock(one.created)))));
  return [
    h("h1", {}, "Restores"),
    h("section", { "aria-label": "Restores" },
      lines.length ? h("ul", { class: "plain" }, lines)
        : h("p", {}, "There are none yet. POST /api/restores starts one.")),
  ];
}

// ---- one restore --------------------------------------------------------------------------------

let plan = null;

function timeline(status) {
  const past = status.history;
  const last = past[past.length - 1];
  const ahead = status.ended ? [] : STEPS.slice(STEPS.indexOf(last.status) + 1)
    .filter((step) => step !== "awaiting_approval");
  const step = (name, at, color) => {
    const [, , words] = STATUS[name] || ["", "", name];
    return h("li", { class: color, "aria-current": color === "current" ? "step" : false }, words, " ",
      at ? h("span", { class: "soft" }, new Date(at).toLocaleTimeString()) : "");
  };
  return h("ol", { class: "timeline", "aria-label": "Timeline" },
    past.map((change) => step(change.status, change.at, change === last ? "current" : "past")),
    ahead.map((name) => step(name, "", "")));
}

const WORDS = {
  creating: "making the database", schema: "tables", data: "rows", indexes: "indexes and keys", rest: "triggers and the rest",
  checks: "checking keys", access: "grants", guards: "row security", analyzing: "statistics",
};
const SHARE_SHOWN = 0.01;

// A bar by phase: each as wide as the time it took, named in the list below for who cannot see it.
function phases(one) {
  const all = (one.phases || []).reduce((sum, each) => sum + each.seconds, 0);
  if (!all) return null;
  const shown = one.phases.filter((each) => each.seconds / all >= SHARE_SHOWN);
  const running = one.state === "sent" ? one.phases[one.phases.length - 1].phase : "";
  const words = (each) => `${WORDS[each.phase] || each.phase} ${duration(each.seconds)}`;
  return h("div", { "data-key": "phases" },
    h("div", { class: "phases", "aria-hidden": "true" }, shown.map((each, index) => h("span", {
      class: `${each.phase === running ? "running" : ""} ${index % 2 ? "odd" : ""}`,
      grow: Math.round((each.seconds / all) * 1000), title: words(each),
    }))),
    h("ul", { class: "phase-words soft", "aria-label": `${one.name}: time of each phase` }, shown.map((each) => h("li", {
      class: each.phase === running ? "running" : "",
    }, words(each)))));
}

function database(one) {
  const share = one.bytes.total ? Math.min(1, one.bytes.done / one.bytes.total) : 0;
  const done = one.state === "done";
  const facts = [`${bytes(one.bytes.done)} of ${bytes(one.bytes.total)}`];
  if (one.bytesPerSecond) facts.push(`${bytes(one.bytesPerSecond)}/s`);
  if (one.etaSeconds !== undefined) facts.push(`${duration(one.etaSeconds)} left`);
  if (one.rows) facts.push(`${one.rows.found.toLocaleString()} rows proven`);
  if (one.seconds) facts.push(`in ${duration(one.seconds)}`);
  const tables = (one.tablesLoading || []).map((table) => h("li", {},
    `${table.table}: ${bytes(table.bytes.done)}${table.bytes.total ? ` of ${bytes(table.bytes.total)}` : ""}, ${table.rows.toLocaleString()} rows`));
  return h("li", { "data-key": one.name },
    h("div", { class: "row" },
      h("strong", {}, one.target === one.name ? one.name : `${one.name} → ${one.target}`),
      h("span", { class: one.phase === "failed" ? "bad" : done ? "good" : "" }, one.phase)),
    done ? null : h("progress", { max: 1, value: share, "aria-label": `${one.name}: how much is loaded` }),
    h("div", { class: "soft" }, facts.join(" · ")),
    phases(one),
    tables.length ? h("details", { id: `tables-${one.name}` }, h("summary", {}, "Tables being loaded"), h("ul", {}, tables)) : null,
    (one.lost || []).length ? h("details", { id: `lost-${one.name}`, open: true },
      h("summary", { class: "bad" }, `${one.lost.length} objects were lost`),
      h("ul", {}, one.lost.map((said) => h("li", {}, said)))) : null,
    (one.failures || []).map((f) => h("div", { class: "warn" }, `An attempt failed: ${f.message}`)));
}

function findings(title, found, open) {
  if (!found.length) return null;
  const lines = found.map((one) => h("li", {},
    h("div", {}, h("strong", {}, one.object), ` ${one.message}`),
    one.hint ? h("div", { class: "soft" }, one.hint) : null,
    (one.fix || []).map(copyable)));
  return h("details", { id: `plan-${title}`, open },
    h("summary", {}, `${title} (${found.length})`), h("ul", { class: "plain" }, lines));
}

function planned(status) {
  if (!plan) return null;
  const of = (severity) => plan.findings.filter((one) => one.severity === severity);
  const known = plan.prediction && plan.prediction.basis !== "benchmarks" ? plan.prediction : null;
  const [least, most] = known ? [known.least, known.most] : plan.estimate.seconds;
  const replaced = plan.databases.filter((one) => one.replaces);
  return h("section", { "aria-labelledby": "plan" },
    h("h2", { id: "plan" }, "Plan"),
    h("p", {}, `${plan.databases.length} databases to ${plan.server}`,
      most ? `, about ${least === most ? "" : `${duration(least)} to `}${duration(most)}` : "",
      known ? `, likely ${duration(known.seconds)}, by ${known.basis}` : "",
      plan.drops ? ". All of it is dropped again once it is proven." : "."),
    replaced.length ? h("p", { class: "warn" }, "Takes the place of: ", replaced.map((one) =>
      `${one.target} (${one.replaces.keptAs ? `kept as ${one.replaces.keptAs}` : "dropped"})`).join(", ")) : null,
    plan.databases.some((one) => one.beforePublish) ? h("details", { id: "plan-sql", open: true },
      h("summary", {}, "SQL that runs before publishing"),
      plan.databases.flatMap((one) => (one.beforePublish || []).map((text) => h("pre", {}, `${one.target}: ${text}`)))) : null,
    findings("Refusals", of("refusal"), true),
    findings("Warnings", of("warning"), status.status === "awaiting_approval"),
    findings("Notes", of("note"), false),
    h("p", { class: "soft" }, `Hash ${plan.hash}`));
}

function actions(status) {
  const host = status.target.host;
  const at = `/restores/${status.id}`;
  const found = [];
  if (status.links.approve && plan) {
    found.push(h("button", {
      class: "main", type: "button", id: "approve",
      onclick: () => ask({
        title: "Approve the plan?",
        lines: [`It restores ${plan.databases.length} databases to ${host}.`,
          plan.databases.some((one) => one.replaces) ? "Databases that are there are replaced; the plan has their names." : "Nothing that is there is touched."],
        typed: host, action: "Approve",
        does: () => call("POST", `${at}/approve`, JSON.stringify({ hash: plan.hash })),
      }),
    }, "Approve the plan …"));
  }
  if (status.links.undo) {
    found.push(h("button", {
      type: "button", id: "undo",
      onclick: () => ask({
        title: "Undo this restore?",
        lines: ["What was replaced gets its name again. What was restored is kept under another name.",
          `Possible until ${new Date(seen.undo.until).toLocaleString()}.`],
        typed: host, action: "Undo", does: () => call("POST", `${at}/undo`),
      }),
    }, "Undo …"));
  }
  if (status.links.cancel) {
    found.push(h("button", {
      type: "button", id: "cancel",
      onclick: () => ask({
        title: "Cancel this restore?",
        lines: ["What it began on the target is taken back. Once publishing has begun it is seen through."],
        action: "Cancel the restore", does: () => call("POST", `${at}/cancel`),
      }),
    }, "Cancel …"));
  }
  if (status.links.report) {
    found.push(h("button", { type: "button", id: "report", onclick: () => report(at).catch((error) => { connection.textContent = `The report could not be read: ${error.message}`; }) }, "Save the report"));
  }
  return found.length ? h("div", { class: "actions" }, found) : null;
}

async function report(at) {
  const found = await call("GET", `${at}/report`);
  if (!found) return;
  etags.delete(`${at}/report`);
  const url = URL.createObjectURL(new Blob([JSON.stringify(found, null, 2)], { type: "application/json" }));
  const link = h("a", { href: url, download: `restore-${ID}.json` });
  link.click();
  setTimeout(() => URL.revokeObjectURL(url), 1000);
}

// What to do about it: commands of the plan, to copy.
function fixes(status, isAbout) {
  const found = (status.fixes || []).filter((fix) => isAbout(fix.about));
  return found.length ? h("div", { "data-key": "fixes" }, found.flatMap((fix) => fix.commands.map(copyable))) : null;
}

function timeLeft(status) {
  const { eta } = status;
  if (!eta) {
    const seconds = Math.max(0, ...status.databases.map((one) => one.etaSeconds || 0));
    return seconds ? `about ${duration(seconds)} left` : "";
  }
  const about = `about ${duration(eta.seconds)} left (${duration(eta.least)} to ${duration(eta.most)}, by ${eta.basis})`;
  return eta.late ? `longer than expected, ${about}` : about;
}

const UNDO = {
  open: (until) => `What was replaced is kept until ${until.toLocaleString()}.`,
  asked: () => "It is being undone.",
  done: () => "It was undone: what was replaced has its name again.",
  closing: () => "What was replaced is being dropped.",
  closed: () => "What was replaced is dropped: too late to undo.",
};

function restore(status) {
  const [, , words] = STATUS[status.status] || ["", "", status.status];
  document.title = `${words}: ${status.target.host}`;
  const done = status.databases.filter((one) => one.state === "done").length;
  return [
    h("h1", {}, status.target.host),
    h("p", { class: "now", id: "state" }, statusOf(status.status)),
    h("p", { class: "now", id: "doing" }, status.ended ? `After ${duration(status.seconds)}.`
      : [status.doing, timeLeft(status), `running for ${duration(status.seconds)}`]
        .filter(Boolean).join(" · ")),
    status.undo ? h("p", { class: "now", id: "kept" }, UNDO[status.undo.state](new Date(status.undo.until))) : null,
    status.stuck ? h("p", { class: "bad", role: "alert", id: "stuck" }, `It is stuck: ${status.stuck}`) : null,
    status.error ? h("section", { "aria-labelledby": "error" },
      h("h2", { id: "error", class: "bad" }, `Why: ${status.error.code}`),
      h("p", {}, status.error.message), status.error.hint ? h("p", {}, status.error.hint) : null,
      fixes(status, (about) => status.error.message.includes(about))) : null,
    timeline(status),
    actions(status),
    status.databases.length ? h("section", { "aria-labelledby": "databases" },
      h("h2", { id: "databases" }, `Databases (${done} of ${status.databases.length} proven)`),
      h("ul", { class: "plain" }, status.databases.map(database))) : null,
    status.warnings.length ? h("section", { "aria-labelledby": "warnings" },
      h("h2", { id: "warnings", class: "warn" }, `Warnings (${status.warnings.length})`),
      h("ul", {}, status.warnings.map((said) => h("li", { "data-key": said }, said,
        fixes(status, (about) => about === said))))) : null,
    planned(status),
    h("p", { class: "soft" }, `Restore ${status.id}, begun `, clock(status.created),
      status.dataAsOf ? `, data as of ${status.dataAsOf}` : ""),
  ];
}

// ---- again and again ----------------------------------------------------------------------------

function show(nodes) {
  becomeAll(main, nodes.filter(Boolean));
}

let seen = null;

async function refresh() {
  if (!ID) {
    const found = await call("GET", "/restores");
    if (found) show(list(found));
    return true;
  }
  const found = await call("GET", `/restores/${ID}`);
  if (found) {
    try {
      if (found.links.plan && (!plan || !found.plan || plan.hash !== found.plan.hash)) {
        plan = (await call("GET", `/restores/${ID}/plan`)) || plan;
      }
    } catch (error) {
      etags.delete(`/restores/${ID}`); // it is not shown yet: ask for all of it again
      throw error;
    }
    seen = found;
    show(restore(found));
  }
  return !seen || !seen.ended || UNSETTLED.has(seen.undo && seen.undo.state);
}

let failures = 0;
let timer = 0;

async function loop() {
  clearTimeout(timer);
  let more = true;
  try {
    more = await refresh();
    failures = 0;
    connection.textContent = "";
  } catch (error) {
    if (error.status === 401) {
      const had = sessionStorage.getItem(KEY);
      sessionStorage.removeItem(KEY);
      askForKey(Boolean(had));
      return;
    }
    if (error.status === 404) {
      main.replaceChildren(h("section", {}, h("h1", {}, "There is no such restore"), h("p", {}, error.message)));
      return;
    }
    failures += 1;
    connection.textContent = "Connection lost: trying again. What is below may be old.";
  }
  if (!more) return;
  const wait = (document.hidden ? 15 : 2) * 2 ** Math.min(failures, 4);
  timer = setTimeout(loop, wait * 1000);
}

document.addEventListener("visibilitychange", () => { if (!document.hidden && timer) loop(); });
main.replaceChildren(h("p", {}, "Asking…"));
loop();
