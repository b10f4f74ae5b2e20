// The listening test: one trial at a time. Where a listener is, the server knows; a reload goes on from there.

import { ask, make, show } from "./net.js";
import { drop, sound, stopAll } from "./player.js";

const at = (id) => document.getElementById(id);
const QUESTIONS = {
  "2afc": ["Which of these two was reconstructed from this recording?", "One was made from the brain’s response to this recording, the other from the response to another."],
  oddoneout: ["Which of these three is the odd one out?", "Two belong to the same recording, one to another."],
  similarity: ["How similar is this music to the recording?", "Judge the music: its style, instruments, mood and tempo. Do not mind the quality of the sound."],
};
const LETTERS = ["A", "B", "C"];
let now = null; // what is being asked

function begin() {
  ask("/api/listening/session").then(({ session, why }) => {
    if (session) go(session);
    else if (why) fail(new Error(`${why[0].toUpperCase()}${why.slice(1)}.`));
    else at("welcome").hidden = false;
  }, fail);
}

const fail = (error) => show(at("failure"), error.message);

function go(session) {
  at("welcome").hidden = true;
  show(at("failure"), "");
  at("foot").textContent = session.simulated ? `Listener ${session.listener}. The brain was simulated: nobody was scanned.` : `Listener ${session.listener}.`;
  at("done").max = session.total;
  at("done").value = session.answered;
  at("count").textContent = `${session.answered} of ${session.total} answered`;
  if (session.trial) ask_trial(session.trial);
  else { at("trial").hidden = true; at("end").hidden = false; at("thanks").focus(); }
}

function ask_trial(trial) {
  now?.audios.forEach(drop);
  now = { ...trial, begun: performance.now(), heard: new Set(), plays: 0, audios: [] };
  const [question, hint] = QUESTIONS[trial.task];
  at("question").textContent = question;
  at("hint").textContent = hint;
  at("trial").hidden = false;
  at("reference").replaceChildren(...(trial.reference ? [player("reference", "The recording", null)] : []));
  at("reference").hidden = !trial.reference;
  const rated = trial.task === "similarity";
  const labels = Array.from({ length: trial.options }, (_, i) => (rated ? "The music" : `Sound ${LETTERS[i]}`));
  at("options").replaceChildren(...labels.map((label, i) => player(String(i), label, rated ? null : i)));
  at("scale").hidden = at("ends").hidden = !rated;
  const legend = at("scale").querySelector("legend");
  at("scale").replaceChildren(legend, ...(rated ? Array.from({ length: trial.ratings }, (_, i) => make("label", {},
    make("input", { type: "radio", name: "answer", value: i + 1, onchange: ready }), String(i + 1))) : []));
  ready();
  if (trial.number > 0) at("question").focus();
}

function player(place, label, option) {
  const line = make("div", { class: "line", "aria-hidden": "true" });
  const button = make("button", { type: "button", class: "small", "aria-label": `Play: ${label}` }, "Play");
  const audio = sound(`/api/listening/sounds/${now.number}/${place}`, (share, own) => {
    line.style.setProperty("--at", share);
    button.textContent = own.paused ? "Play" : "Pause";
    button.setAttribute("aria-label", `${own.paused ? "Play" : "Pause"}: ${label}`);
  });
  const own = now;
  audio.addEventListener("playing", () => { if (own === now) { own.heard.add(place); own.plays += 1; ready(); } });
  button.addEventListener("click", () => (audio.paused ? audio.play().catch(() => fail(new Error("This sound cannot be played."))) : audio.pause()));
  now.audios.push(audio);
  const choice = option === null ? null : make("label", { class: "check choose" },
    make("input", { type: "radio", name: "answer", value: option, onchange: ready }), `Choose ${label}`);
  return make("li", {}, make("h3", {}, label), button, line, choice);
}

const chosen = () => at("answer-form").querySelector("input[name=answer]:checked");

// An answer can be given when every sound was played and something is chosen.
function ready() {
  const left = now.audios.length - now.heard.size;
  at("send").disabled = left > 0 || !chosen();
  at("wait").textContent = left > 0 ? `Play ${left === 1 ? "the sound that is" : `the ${left} sounds that are`} left.` : chosen() ? "" : "Choose your answer.";
  for (const item of at("options").children) item.classList.toggle("chosen", !!item.querySelector("input:checked"));
}

async function answer(event) {
  event.preventDefault();
  const choice = chosen();
  if (!choice || at("send").disabled) return;
  at("send").disabled = true;
  stopAll();
  const body = { trial: now.number, answer: Number(choice.value), milliseconds: Math.round(performance.now() - now.begun), plays: now.plays };
  for (let tries = 0; ; tries += 1) {
    try { go((await ask("/api/listening/answers", { method: "POST", body })).session); return; }
    catch (error) {
      if (error.status || tries >= 30) { fail(error); at("send").disabled = false; return; }
      show(at("failure"), "The server cannot be reached; your answer is sent again until it is kept.");
      await new Promise((again) => setTimeout(again, 1000));
    }
  }
}

at("begin").addEventListener("submit", async (event) => {
  event.preventDefault();
  const years = at("years").value;
  const body = { headphones: at("headphones").checked, ...(years === "" ? {} : { music_years: Number(years) }) };
  try { go(await ask("/api/listening/sessions", { method: "POST", body })); } catch (error) { fail(error); }
});
at("answer-form").addEventListener("submit", answer);
begin();
