// Replaces the content of a page that changes, so that place, focus and open details stay. Everything else works without.
"use strict";

const main = document.querySelector("main");
const period = Number(main.dataset.refresh) * 1000;
const note = document.getElementById("refreshing");

// What somebody has typed and not sent, or marks, must not vanish.
function busy() {
  const active = document.activeElement;
  const typed = [...main.querySelectorAll("input")].some((one) => one.value !== one.defaultValue)
    || [...main.querySelectorAll("select")].some((one) => !(one.querySelector("[selected]") || one.options[0]).selected);
  return document.hidden || typed || (active && main.contains(active) && active.matches("input, select, button"))
    || !document.getSelection().isCollapsed;
}

async function refresh() {
  if (!busy()) {
    try {
      const answer = await fetch(location.href, { redirect: "error", credentials: "same-origin" });
      const fresh = new DOMParser().parseFromString(await answer.text(), "text/html").querySelector("main");
      if (fresh) {
        const open = [...main.querySelectorAll("details[open]")].map((one) => one.id);
        const links = [...main.querySelectorAll("a")];
        const focused = links.indexOf(document.activeElement);
        main.replaceChildren(...fresh.childNodes);
        open.forEach((id) => document.getElementById(id)?.setAttribute("open", ""));
        if (focused >= 0) main.querySelectorAll("a")[focused]?.focus({ preventScroll: true });
        if (note) note.textContent = "refreshed at " + new Date().toLocaleTimeString();
        // A store that is away may be back at the next time.
        if (!fresh.dataset.refresh && answer.ok && !main.querySelector(".problem")) {
          if (note) note.textContent = "nothing runs any more";
          return;
        }
      }
    } catch (error) {
      if (note) note.textContent = "cannot refresh: " + error.message;
    }
  }
  setTimeout(refresh, period);
}

if (period) setTimeout(refresh, period);

document.addEventListener("keydown", (event) => {
  if (event.key === "/" && !event.target.matches("input, select, textarea")) {
    event.preventDefault();
    document.getElementById("find").focus();
  }
});
