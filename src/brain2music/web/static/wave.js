// A waveform on which a gap is drawn.

export class Wave {
  constructor(canvas, drawn) {
    this.canvas = canvas;
    this.drawn = drawn;
    this.peaks = [];
    this.seconds = 0;
    this.gap = [0, 0];
    let from = null;
    const second = (event) => this.seconds * Math.min(1, Math.max(0, event.offsetX / canvas.clientWidth));
    canvas.addEventListener("pointerdown", (event) => { from = second(event); canvas.setPointerCapture(event.pointerId); });
    canvas.addEventListener("pointermove", (event) => {
      if (from === null || !this.seconds) return;
      this.mark(...[from, second(event)].sort((a, b) => a - b));
      this.drawn(...this.gap);
    });
    for (const end of ["pointerup", "pointercancel"]) canvas.addEventListener(end, () => { from = null; });
  }

  async load(address) {
    this.address = address;
    const answer = await fetch(address, { credentials: "same-origin" });
    if (!answer.ok) throw new Error("This sound cannot be read.");
    const context = new OfflineAudioContext(1, 1, 22050);
    const sound = await context.decodeAudioData(await answer.arrayBuffer());
    if (this.address !== address) return; // another was chosen meanwhile
    const samples = sound.getChannelData(0), count = this.canvas.width / 2, size = Math.max(1, Math.floor(samples.length / count));
    this.seconds = sound.duration;
    this.peaks = Array.from({ length: count }, (_, i) => {
      let most = 0;
      for (let j = i * size; j < Math.min(samples.length, (i + 1) * size); j += 4) most = Math.max(most, Math.abs(samples[j]));
      return most;
    });
    this.draw();
  }

  mark(from, to) {
    this.gap = [Math.max(0, from), Math.min(this.seconds || to, to)];
    this.draw();
  }

  draw() {
    const { canvas, peaks } = this, context = canvas.getContext("2d"), { width, height } = canvas;
    context.clearRect(0, 0, width, height);
    if (!this.seconds) return;
    const most = Math.max(...peaks, 0.01), [from, to] = this.gap.map((second) => (width * second) / this.seconds);
    context.fillStyle = "rgba(240, 166, 87, 0.28)";
    context.fillRect(from, 0, Math.max(0, to - from), height);
    peaks.forEach((peak, i) => {
      const tall = Math.max(1, (0.92 * height * peak) / most);
      context.fillStyle = 2 * i >= from && 2 * i <= to ? "#f0a657" : "#5cc5b7";
      context.fillRect(2 * i, (height - tall) / 2, 1.4, tall);
    });
  }
}
