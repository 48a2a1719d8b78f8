// The totals of a report, a tile each.

import { element, patch, write } from "../frame/elements.js";
import { changeNode } from "../text/change.js";
import { errorText } from "../text/error.js";
import { count, figure } from "../text/format.js";
import { totalsOf } from "./totals.js";

export class Tiles {
  #tiles = new Map();

  constructor(host) {
    this.host = host;
  }

  /** Show an answer, and the change from another (or null); with `flash` changed numbers are highlighted. */
  show(answer, before, flash) {
    const totals = totalsOf(answer);
    if (totals.map(({ title }) => title).join() !== [...this.#tiles.keys()].join()) {
      this.#tiles = new Map(totals.map(({ title }) => [title, new Tile(title)]));
      this.host.replaceChildren(...[...this.#tiles.values()].map((tile) => tile.root));
    }
    for (const { title, of, estimate, note } of totals) {
      this.#tiles.get(title).show(of(answer), before && of(before), estimate, note?.(answer) ?? "", flash);
    }
  }
}

/** The totals as a sentence, for screen readers. */
export const summaryOf = (answer) => totalsOf(answer).map(({ title, of }) => `${title}: ${count(of(answer))}`).join(", ");

class Tile {
  constructor(title) {
    this.number = element("span", "number");
    this.hint = element("button", "hint", "±");
    this.hint.type = "button";
    this.change = element("span", "tile-change");
    this.note = element("span", "quiet");
    this.root = element("div", "tile", element("dt", "", title), element("dd", "", this.number, this.hint), element("dd", "tile-line", this.change, this.note));
  }

  show(value, before, estimate, note, flash) {
    if (flash && this.number.textContent !== String(value)) {
      this.root.classList.remove("changed");
      void this.root.offsetWidth; // restarts the animation
      this.root.classList.add("changed");
    }
    patch(this.number, figure(String(value)));
    const error = estimate ? errorText(value) : "";
    this.hint.hidden = !error;
    this.hint.dataset.tip = error;
    this.hint.setAttribute("aria-label", error);
    patch(this.change, before === null ? "\u00a0" : changeNode(value, before, estimate));
    write(this.note, note);
  }
}
