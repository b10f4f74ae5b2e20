// Players: one sound at a time, and a spectrogram that is the time line of its sound.

import { clock, make } from "./net.js";

const all = new Set();
let sameplace = () => false; // whether the next sound goes on where the last one was

export function keepPlace(asked) { sameplace = asked; }

export function stopAll() { for (const audio of all) audio.pause(); }

// Let go of the sounds of a list that is about to be replaced.
export function forget(list) {
  for (const { audio } of list.children) if (audio) drop(audio);
}

export function drop(audio) {
  audio.pause();
  all.delete(audio);
  audio.removeAttribute("src");
}

// An audio element that stops the others when it begins; `moved` is called with the share that was played.
export function sound(source, moved) {
  const audio = new Audio();
  audio.preload = "none";
  audio.src = source;
  all.add(audio);
  const tell = () => moved(audio.duration ? audio.currentTime / audio.duration : 0, audio);
  const follow = () => { tell(); if (!audio.paused) requestAnimationFrame(follow); };
  audio.addEventListener("play", () => {
    for (const other of all) {
      if (other === audio || other.paused) continue;
      if (sameplace()) seek(audio, other.currentTime);
      other.pause();
    }
    follow();
  });
  for (const event of ["pause", "seeked", "loadedmetadata", "ended", "timeupdate"]) audio.addEventListener(event, tell);
  return audio;
}

export function seek(audio, seconds) {
  const go = () => { audio.currentTime = Math.min(Math.max(0, seconds), Math.max(0, (audio.duration || 0) - 0.05)); };
  if (audio.readyState > 0) { go(); return; }
  audio.addEventListener("loadedmetadata", go, { once: true });
  audio.load();
}

// A card: what the sound is, its spectrogram to seek in, and a button to play.
export function card({ sound: name, label, title, detail, next, file }) {
  const address = `/api/sounds/${name}`;
  const time = make("span", { class: "time" }, "–:––");
  const picture = make("img", { src: `${address}/spectrogram`, alt: "", loading: "lazy", width: "360", height: "100" });
  const track = make("div", {
    class: "track", role: "slider", tabindex: "0", "aria-label": `Position in ${title}`,
    "aria-valuemin": "0", "aria-valuemax": "100", "aria-valuenow": "0",
  }, picture);
  const button = make("button", { type: "button", class: "small", "aria-label": `Play ${label}: ${title}` }, "Play");
  const failed = make("p", { class: "error", role: "alert", hidden: true });
  const audio = sound(address, (share, own) => {
    track.style.setProperty("--at", share);
    track.classList.toggle("begun", own.currentTime > 0);
    track.setAttribute("aria-valuenow", Math.round(100 * share));
    track.setAttribute("aria-valuetext", `${clock(own.currentTime)} of ${clock(own.duration)}`);
    time.textContent = `${clock(own.currentTime)} / ${clock(own.duration)}`;
    button.textContent = own.paused ? "Play" : "Pause";
    button.setAttribute("aria-label", `${own.paused ? "Play" : "Pause"} ${label}: ${title}`);
  });
  const play = () => audio.play().catch((error) => {
    if (error.name === "AbortError") return;
    failed.textContent = "This sound cannot be played.";
    failed.hidden = false;
  });
  button.addEventListener("click", () => (audio.paused ? play() : audio.pause()));
  track.addEventListener("click", (event) => {
    const share = event.offsetX / track.clientWidth;
    const go = () => seek(audio, share * audio.duration);
    if (audio.readyState > 0) go(); else { audio.addEventListener("loadedmetadata", go, { once: true }); audio.load(); }
    play();
  });
  track.addEventListener("keydown", (event) => {
    const steps = { ArrowRight: 1, ArrowUp: 1, ArrowLeft: -1, ArrowDown: -1, PageUp: 5, PageDown: -5 };
    if (event.key in steps) seek(audio, audio.currentTime + steps[event.key]);
    else if (event.key === "Home") seek(audio, 0);
    else if (event.key === "End") seek(audio, audio.duration || 0);
    else if (event.key === " " || event.key === "Enter") button.click();
    else return;
    event.preventDefault();
  });
  const element = make("li", { class: "card" },
    make("p", { class: "label" }, label), track,
    make("div", { class: "transport" }, button, time, file ? make("a", { href: `${address}/file`, download: "brain2music.flac" }, "Save") : null),
    make("p", { class: "title" }, title), detail ? make("p", { class: "detail" }, detail) : null,
    next?.length ? make("details", {}, make("summary", {}, "Next in rank"), make("ol", { start: "2" }, next.map((each) => make("li", {}, each)))) : null,
    failed);
  element.audio = audio;
  return element;
}
