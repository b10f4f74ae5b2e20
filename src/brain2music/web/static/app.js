// The page on a run: subjects and clips, texts, gaps and maps.

import { ask, make, show } from "./net.js";
import { card, forget, keepPlace, stopAll } from "./player.js";
import { follow } from "./jobs.js";
import { Wave } from "./wave.js";

const at = (id) => document.getElementById(id);
const state = { run: null, subject: null, clip: 0, sounds: [], uploads: [] };
const failure = (error) => show(at("failure"), error.message);

keepPlace(() => at("same-place").checked);

async function begin() {
  const run = (state.run = await ask("/api/run"));
  document.title = `${run.name}: brain2music`;
  at("study").textContent = run.name;
  const subjects = run.subjects.length === 1 ? "1 subject" : `${run.subjects.length} subjects`;
  at("about").textContent = `${subjects}, ${run.embeddings.join(", ")}, ${run.created}`;
  at("foot").textContent = `brain2music ${run.version}. Served from this machine; nothing is sent anywhere else.`;
  if (run.simulated) banner("Simulated brain data: no person was scanned.", "Everything below comes from simulated responses.");
  if (run.note) banner(`Note on the data: ${run.note}.`, "");
  at("seconds").max = run.piece_s;
  at("to-test").hidden = !run.listening.available;
  at("search").disabled = !run.search.available;
  at("generate").disabled = !run.generate.available;
  at("word-notes").textContent = run.search.why && sentence(run.search.why);
  at("predict-form").querySelector("button").disabled = !run.predict.available;
  if (!run.predict.available) show(at("predict-error"), sentence(run.predict.why));
  at("subject").replaceChildren(...run.subjects.map(({ label }) => make("option", { value: label }, label)));
  if (run.subjects.length) await chooseSubject(run.subjects[0].label);
}

const sentence = (text) => `${text[0].toUpperCase()}${text.slice(1)}.`;

function banner(strong, rest) {
  at("banners").append(make("p", { class: "banner", role: "note" }, make("strong", {}, strong), ` ${rest}`));
}

async function chooseSubject(label) {
  const subject = (state.subject = await ask(`/api/subjects/${encodeURIComponent(label)}`));
  const first = subject.embeddings[0];
  at("clips").replaceChildren(...subject.clips.map((clip, number) => make("li", {}, make("button", {
    type: "button", "data-number": number, onclick: () => chooseClip(number).catch(failure),
  }, clip.clip, make("small", {}, [clip.genre, rank(clip, first)].filter(Boolean).join(" · "))))));
  at("clip").replaceChildren(...subject.clips.map((clip, number) => make("option", { value: number }, `${clip.clip} (${clip.genre})`)));
  const mapped = [...new Set([...subject.maps, ...Object.keys(subject.regions)])];
  at("embedding").replaceChildren(...mapped.map((name) => make("option", { value: name }, name)));
  at("embedding").closest("label").hidden = mapped.length < 2;
  at("encoder").replaceChildren(...subject.encoders.map((name) => make("option", { value: name }, name)));
  showMap();
  if (subject.clips.length) await chooseClip(0);
  else at("clip-title").textContent = "The run scored no clip of this subject.";
}

const rank = (clip, embedding) => (embedding in clip.ranks ? `rank ${clip.ranks[embedding]} of ${clip.candidates}` : "");

async function chooseClip(number) {
  stopAll();
  forget(at("sounds"));
  state.clip = number;
  const label = encodeURIComponent(state.subject.label);
  const clip = await ask(`/api/subjects/${label}/clips/${number}`);
  for (const button of at("clips").querySelectorAll("button")) {
    button.setAttribute("aria-current", String(Number(button.dataset.number) === number));
  }
  at("clip").value = number;
  at("clip-title").textContent = `${clip.clip}${clip.genre ? `, ${clip.genre}` : ""}`;
  state.sounds = clip.sounds;
  const several = new Set(clip.sounds.map((each) => each.embedding).filter(Boolean)).size > 1;
  at("sounds").replaceChildren(...clip.sounds.map((each) => card({
    ...each, label: several && each.embedding ? `${each.label} (${each.embedding})` : each.label,
  })));
  if (!clip.sounds.length) at("sounds").append(make("li", { class: "fine" }, "No sound of this clip was left in the folder of the run."));
  offerSounds();
  await showTags(clip).catch((error) => at("tags").replaceChildren(make("p", { class: "fine" }, error.message)));
}

async function showTags(clip) {
  const label = state.subject.label;
  at("tags").replaceChildren(make("p", { class: "fine" }, "Looking up words …"));
  const name = state.subject.tagged[0];
  const found = name && (await ask(`/api/subjects/${encodeURIComponent(label)}/tags/${encodeURIComponent(name)}`));
  if (state.subject.label !== label || state.subject.clips[state.clip]?.clip !== clip.clip) return;
  const tags = found?.tags[clip.clip];
  if (!tags) { at("tags").replaceChildren(make("p", { class: "fine" }, "The run decoded no embedding that is joint with text.")); return; }
  const words = (some, others) => some.flatMap((word, i) => [i ? ", " : "", others.includes(word) ? make("span", { class: "hit" }, word) : word]);
  const rows = Object.keys(tags.predicted).map((kind) => make("tr", {}, make("th", { scope: "row" }, kind),
    make("td", {}, words(tags.predicted[kind], tags.true[kind])), make("td", {}, words(tags.true[kind], tags.predicted[kind]))));
  at("tags").replaceChildren(make("table", { class: "tags" },
    make("caption", {}, `Words that ${name} puts nearest, relative to the mean over all clips; those that both share stand out`),
    make("thead", {}, make("tr", {}, make("td"), make("th", { scope: "col" }, "From the brain"), make("th", { scope: "col" }, "From the clip"))),
    make("tbody", {}, rows)));
}

function showMap() {
  const name = at("embedding").value, subject = state.subject, place = at("map");
  place.replaceChildren();
  if (!name) { place.append(make("p", { class: "fine" }, "The run mapped no voxels.")); return; }
  const simulated = state.run.simulated ? " (simulated)" : "";
  if (subject.maps.includes(name)) {
    const source = `/api/subjects/${encodeURIComponent(subject.label)}/map/${encodeURIComponent(name)}`;
    place.append(make("img", { class: "map", src: source, alt: `Map of how well the responses of subject ${subject.label} are predicted from ${name}${simulated}` }));
  }
  const regions = (subject.regions[name] ?? []).slice(0, 12);
  if (regions.length) {
    place.append(bars(regions.map((each) => [each.roi, each.mean_r]), `Mean correlation of predicted with measured responses by region, from ${name}${simulated}`));
  }
}

function bars(rows, caption) {
  const most = Math.max(...rows.map(([, value]) => Math.abs(value)), 1e-9);
  return make("table", { class: "bars" }, make("caption", {}, caption), make("tbody", {}, rows.map(([label, value]) => {
    const bar = make("span", { class: value < 0 ? "bar minus" : "bar" });
    bar.style.setProperty("--size", Math.abs(value) / most);
    return make("tr", {}, make("th", { scope: "row" }, label), make("td", {}, bar), make("td", { class: "n" }, value.toFixed(3)));
  })));
}

// Sounds that can be given to a model: those of the clip, what was made, and what was uploaded.
function offerSounds() {
  const offered = [
    ...state.uploads.map((each) => ({ sound: each.sound, text: `Upload: ${each.title}` })),
    ...state.sounds.map((each) => ({ sound: each.sound, text: `${each.label}: ${each.title}` })),
  ];
  for (const id of ["gap-sound", "predict-sound"]) {
    const before = at(id).value;
    at(id).replaceChildren(...offered.map((each) => make("option", { value: each.sound }, each.text)));
    if (offered.some((each) => each.sound === before && state.uploads.some((own) => own.sound === before))) at(id).value = before;
  }
  drawWave();
}

async function upload(input, choice, place) {
  const file = input.files[0];
  if (!file) return;
  show(place, "");
  const most = state.run.upload_mb;
  try {
    if (file.size > most * 2 ** 20) throw new Error(`The file is larger than ${most} MiB.`);
    const type = file.type || "audio/wav";
    const made = await ask("/api/uploads", { method: "POST", body: file, type });
    state.uploads.unshift({ sound: made.sound, title: `${file.name} (${made.seconds.toFixed(1)} s)` });
    offerSounds();
    choice.value = made.sound;
    drawWave();
  } catch (error) { show(place, error.message); }
  input.value = "";
}

const wave = new Wave(at("wave"), (from, to) => { at("gap-from").value = from.toFixed(1); at("gap-to").value = to.toFixed(1); });
function drawWave() {
  if (at("gap-sound").value) wave.load(`/api/sounds/${at("gap-sound").value}`).then(markGap).catch((error) => show(at("gap-error"), error.message));
}
const markGap = () => wave.mark(Number(at("gap-from").value), Number(at("gap-to").value));

async function search(event) {
  event.preventDefault();
  show(at("word-error"), "");
  at("word-notes").textContent = "Searching …";
  at("search").disabled = true;
  try {
    const found = await ask(`/api/gallery/search?k=8&text=${encodeURIComponent(at("text").value)}`);
    forget(at("found"));
    at("found").replaceChildren(...found.hits.map((hit, number) => card({
      sound: hit.sound, label: `Rank ${number + 1}, cosine ${hit.cosine.toFixed(2)}`, title: hit.title,
      detail: [hit.artist, hit.genre, hit.licence].filter(Boolean).join(" · "),
    })));
    at("word-notes").textContent = [`${found.hits.length} tracks found.`, ...found.notes].join(" ");
  } catch (error) { show(at("word-error"), error.message); at("word-notes").textContent = ""; }
  at("search").disabled = false;
}

async function generate() {
  show(at("word-error"), "");
  const text = at("text").value.trim();
  if (!text) { at("text").focus(); show(at("word-error"), "Describe the music in words."); return; }
  const body = { text, seconds: Number(at("seconds").value), seed: Number(at("seed").value) };
  await start("/api/jobs/generate", body, at("generate-jobs"), at("word-error"), `Generate ${body.seconds} s of “${text}”`, (result) => {
    at("found").prepend(card({ sound: result.sound, label: `Generated by ${result.generator}`, title: text, detail: [`seed ${body.seed}`, ...result.notes].join(" · "), file: true }));
  });
}

async function fillGap(event) {
  event.preventDefault();
  show(at("gap-error"), "");
  const chosen = at("gap-sound").selectedOptions[0];
  if (!chosen) { show(at("gap-error"), "Choose a sound first."); return; }
  const body = { sound: chosen.value, start_s: Number(at("gap-from").value), stop_s: Number(at("gap-to").value), text: at("gap-text").value };
  await start("/api/jobs/inpaint", body, at("gap-jobs"), at("gap-error"), `Fill ${body.start_s} to ${body.stop_s} s of ${chosen.text}`, (result) => {
    at("filled").prepend(card({ sound: result.sound, label: `Filled by ${result.generator}`, title: chosen.text, detail: `new from ${body.start_s} to ${body.stop_s} s`, file: true }));
  });
}

async function predict(event) {
  event.preventDefault();
  show(at("predict-error"), "");
  const chosen = at("predict-sound").selectedOptions[0];
  if (!chosen) { show(at("predict-error"), "Choose a sound first."); return; }
  const body = { sound: chosen.value, subject: state.subject.label, embedding: at("encoder").value };
  await start("/api/jobs/predict", body, at("predict-jobs"), at("predict-error"), `Predict the response to ${chosen.text}`, (result) => {
    const simulated = result.simulated ? " (simulated)" : "";
    const skill = result.cv_r2 === null ? "" : ` Cross-validated r² of the encoder: ${result.cv_r2.toFixed(3)} (mean over ${result.voxels} voxels).`;
    at("predicted").replaceChildren(
      make("h3", {}, `Predicted response of subject ${result.subject} to ${chosen.text}${simulated}`),
      make("p", { class: "fine" }, `From ${result.embedding}, mean over ${result.windows} windows; the response follows the sound by ${result.lag_s} s.${skill}`),
      result.picture ? make("img", { class: "map", src: `/api/pictures/${result.picture}`, alt: `Map of the predicted response${simulated}` }) : "",
      bars(result.regions.map((each) => [each.roi, each.predicted]), `Mean predicted response by region, in standard deviations of a run${simulated}`));
  });
}

async function start(path, body, list, place, what, done) {
  try { follow(await ask(path, { method: "POST", body }), list, what, done); }
  catch (error) { show(place, error.message); }
}

at("subject").addEventListener("change", () => chooseSubject(at("subject").value).catch(failure));
at("clip").addEventListener("change", () => chooseClip(Number(at("clip").value)).catch(failure));
at("embedding").addEventListener("change", showMap);
at("word-form").addEventListener("submit", search);
at("generate").addEventListener("click", generate);
at("gap-form").addEventListener("submit", fillGap);
at("predict-form").addEventListener("submit", predict);
at("gap-sound").addEventListener("change", drawWave);
for (const id of ["gap-from", "gap-to"]) at(id).addEventListener("input", markGap);
at("gap-upload").addEventListener("change", () => upload(at("gap-upload"), at("gap-sound"), at("gap-error")));
at("predict-upload").addEventListener("change", () => upload(at("predict-upload"), at("predict-sound"), at("predict-error")));
begin().catch(failure);
