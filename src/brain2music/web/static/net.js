// Requests to the server: JSON in and out, and errors as one line to show.

export async function ask(path, { method = "GET", body, type } = {}) {
  const headers = body === undefined ? {} : { "content-type": type ?? "application/json" };
  const sent = body === undefined || type ? body : JSON.stringify(body);
  let answer;
  try {
    answer = await fetch(path, { method, headers, body: sent, credentials: "same-origin" });
  } catch {
    throw new Error("The server cannot be reached. Is it still running?");
  }
  let said = {};
  try { said = await answer.json(); } catch { /* not JSON: the status says enough */ }
  if (!answer.ok) throw Object.assign(new Error(said.error ?? `The server answered ${answer.status}.`), { status: answer.status });
  return said;
}

// An element with its attributes and children; text is always text.
export function make(name, attributes = {}, ...children) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (key === "class") element.className = value;
    else if (key.startsWith("on")) element.addEventListener(key.slice(2), value);
    else if (value === true) element.setAttribute(key, "");
    else if (value !== false && value !== null && value !== undefined) element.setAttribute(key, value);
  }
  element.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== ""));
  return element;
}

export function show(place, message) {
  place.textContent = message;
  place.hidden = !message;
}

export const clock = (seconds) =>
  Number.isFinite(seconds) ? `${Math.floor(seconds / 60)}:${String(Math.floor(seconds % 60)).padStart(2, "0")}` : "–:––";
