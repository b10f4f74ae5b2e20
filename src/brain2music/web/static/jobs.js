// Jobs: their progress, and a button to cancel them.

import { ask, make } from "./net.js";

const EVERY_MS = 700;

// Show a job in a list until it ends; `done` is called with its result.
export function follow(job, list, what, done) {
  const bar = make("progress", { "aria-label": what });
  const said = make("span", { class: "fine", role: "status" }, "waiting");
  const stop = make("button", { type: "button", class: "small", "aria-label": `Cancel: ${what}` }, "Cancel");
  const row = make("li", { class: "job" }, make("span", { class: "what" }, what), bar, said, stop);
  list.prepend(row);
  let tries = 0;
  const end = (message) => {
    said.textContent = message;
    bar.remove();
    stop.textContent = "Dismiss";
    stop.setAttribute("aria-label", `Dismiss: ${what}`);
    stop.onclick = () => row.remove();
  };
  const update = (now) => {
    if (now.state === "waiting") said.textContent = now.before ? `waiting, ${now.before} before it` : "waiting";
    else if (now.state === "running") {
      said.textContent = now.total ? `${Math.round((100 * now.done) / now.total)} %` : "running";
      if (now.total) { bar.max = now.total; bar.value = now.done; }
    } else if (now.state === "done") { row.remove(); done(now.result); return; }
    else { end(now.state === "failed" ? now.error : "cancelled"); return; }
    setTimeout(look, EVERY_MS);
  };
  const look = () => ask(`/api/jobs/${job.job}`).then((now) => { tries = 0; update(now); }).catch((error) => {
    if (error.status || ++tries > 20) end(error.message);
    else setTimeout(look, 3 * EVERY_MS);
  });
  stop.onclick = () => { stop.disabled = true; ask(`/api/jobs/${job.job}`, { method: "DELETE" }).catch(() => {}).finally(() => { stop.disabled = false; }); };
  update(job);
}
