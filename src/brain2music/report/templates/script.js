// One player at a time; a spectrogram is also its player's time line.
for (const sound of document.querySelectorAll(".sound:not(.none)")) {
  const [picture, audio] = [sound.querySelector("img"), sound.querySelector("audio")];
  const show = () => sound.style.setProperty("--at", audio.duration ? audio.currentTime / audio.duration : 0);
  picture.addEventListener("click", (event) => {
    const seek = () => { audio.currentTime = audio.duration * event.offsetX / picture.clientWidth; };
    if (audio.readyState) seek(); else audio.addEventListener("loadedmetadata", seek, { once: true });
    audio.play();
  });
  audio.volume = Number(audio.dataset.gain) || 1; // louder sounds are turned down to one level
  audio.addEventListener("timeupdate", show);
  audio.addEventListener("play", () => {
    for (const other of document.querySelectorAll("audio")) if (other !== audio) other.pause();
    sound.classList.add("playing");
  });
}

// Pages of a run that is under way are replaced when it ends: look again, unless somebody listens.
if (document.body.classList.contains("under-way")) {
  const listens = () => [...document.querySelectorAll("audio")].some((audio) => !audio.paused);
  setInterval(() => { if (!listens()) location.reload(); }, 15000);
}

// Sort and filter the clips.
const form = document.querySelector(".filter");
if (form) {
  const list = document.querySelector(".clips");
  const clips = [...list.children];
  const update = () => {
    const genre = form.elements.genre.value;
    const order = form.elements.order.value;
    const key = order.replace("-", "");
    const sign = order.startsWith("-") ? -1 : 1;
    const compare = (a, b) => sign * (key === "genre" ? a.dataset.genre.localeCompare(b.dataset.genre) : a.dataset[key] - b.dataset[key])
      || a.dataset.index - b.dataset.index;
    list.append(...clips.sort(compare));
    for (const clip of clips) clip.hidden = genre !== "" && clip.dataset.genre !== genre;
    const shown = clips.filter((clip) => !clip.hidden).length;
    form.querySelector("output").textContent = `${shown} ${shown === 1 ? "clip" : "clips"}`;
  };
  form.addEventListener("change", update);
  form.addEventListener("submit", (event) => event.preventDefault());
  update(); // a browser may restore the choices on reload
}

// Sort tables by their columns.
for (const table of document.querySelectorAll("table.sortable")) {
  const heads = [...table.tHead.rows[0].cells];
  heads.forEach((head, column) => {
    if (head.tagName !== "TH") return;
    const button = document.createElement("button");
    button.append(...head.childNodes);
    head.append(button);
    button.addEventListener("click", () => {
      const sign = head.getAttribute("aria-sort") === "ascending" ? -1 : 1;
      for (const other of heads) other.removeAttribute("aria-sort");
      head.setAttribute("aria-sort", sign === 1 ? "ascending" : "descending");
      const text = (row) => row.cells[column].textContent.trim();
      const number = (row) => parseFloat(text(row).replace(/[<,\s]/g, ""));
      const numeric = head.classList.contains("n");
      const compare = (a, b) => numeric ? (number(a) || 0) - (number(b) || 0) : text(a).localeCompare(text(b));
      table.tBodies[0].append(...[...table.tBodies[0].rows].sort((a, b) => sign * compare(a, b)));
    });
  });
}
