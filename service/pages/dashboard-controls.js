// The choice of a range, and the lines that say which interval the numbers really cover.

import { element, patch, write } from "./dashboard-elements.js";
import { NAMES, asQuery, difference, faultOf, localText, parseLocal } from "./dashboard-ranges.js";
import { moment } from "./dashboard-words.js";

const NOTES = {
  clipped: "It begins there because older days are no longer kept.",
  wider: "Wider than asked for, out to the whole 5 minutes, hours or days that are kept at that age.",
};

export class Controls {
  #last = null; // the range shown last, to start a custom one from
  #zone = ""; // the zone's name
  #again = () => {};

  /** `chosen({range, start, end})` is called with another choice. */
  constructor(byId, chosen) {
    this.byId = byId;
    this.radios = [...byId("ranges").querySelectorAll("[name=range]")];
    for (const radio of this.radios) {
      radio.addEventListener("change", () => {
        byId("custom").hidden = radio.value !== "custom";
        if (radio.value === "custom") this.#prefill();
        else chosen({ range: radio.value, start: "", end: "" });
      });
    }
    byId("ranges").addEventListener("submit", (event) => {
      event.preventDefault();
      const custom = { range: "custom", start: byId("custom-start").value, end: byId("custom-end").value };
      const fault = faultOf({ start: parseLocal(custom.start), end: parseLocal(custom.end) });
      byId("custom-fault").textContent = fault;
      if (!fault) chosen(custom);
    });
  }

  /** Show the choice that a place stands for; returns what is wrong with it, or "". */
  mark(place) {
    for (const radio of this.radios) radio.checked = radio.value === place.range;
    const custom = place.range === "custom";
    this.byId("custom").hidden = !custom;
    this.byId("custom-fault").textContent = "";
    if (!custom) return "";
    const range = { start: parseLocal(place.start), end: parseLocal(place.end) };
    for (const end of ["start", "end"]) this.byId(`custom-${end}`).value = range[end] ? localText(range[end]) : "";
    const fault = faultOf(range);
    this.byId("custom-fault").textContent = fault;
    return fault;
  }

  #prefill() {
    const query = this.#last && asQuery(this.#last);
    this.byId("custom-start").value ||= query?.start ?? "";
    this.byId("custom-end").value ||= query?.end ?? "";
    this.byId("custom-start").focus();
  }

  /** The zone's name, which may be known later than its offset. */
  named(zone) {
    if (zone === this.#zone) return;
    this.#zone = zone;
    write(this.byId("custom-zone"), zone && `Times of the organization’s zone, ${zone}.`);
    this.#again();
  }

  /** Whatever was said of another range no longer holds. */
  clear() {
    this.#again = () => {};
    this.byId("covers").replaceChildren();
  }

  /** Say what the numbers cover, in which zone and in which offset from UTC. */
  covers(covers, range, zone, name) {
    this.#last = range;
    this.#again = () => this.covers(covers, range, zone, name);
    const line = [element("span", "range-name", NAMES[name]), ...spanNodes(covers)];
    const offsets = new Set([covers.start.offset, covers.end.offset]);
    const utc = [...offsets].map((offset) => `UTC${offset}`).join(" → ");
    const zones = element("span", "zone", this.#zone && this.#zone !== "UTC" ? `${this.#zone}, ${utc}` : utc);
    zones.title = "The organization’s reporting time zone";
    line.push(" ", zones);
    if (zone.now < parseLocal(covers.end.local)) line.push(" ", element("span", "quiet", "still running"));
    const note = NOTES[difference(range, covers)];
    if (note) line.push(" ", element("span", "note", note));
    patch(this.byId("covers"), ...line);
  }

  /** Say what the changes are against; returns whether a comparison is fair. */
  before(covers, range) {
    const line = this.byId("before");
    if (!range) {
      patch(line, "Nothing to compare with yet: the range lies ahead.");
      return false;
    }
    if (!covers || difference(range, covers) === "clipped") {
      patch(line, "No comparison: the period before is no longer kept.");
      return false;
    }
    patch(line, "Changes are against the same stretch before: ", ...spanNodes(covers), ".");
    return true;
  }
}

function spanNodes({ start, end }) {
  return [timeNode(start), " – ", timeNode(end, start)];
}

/** A `<time>`; without the date where it is that of `after`. */
function timeNode(instant, after) {
  const words = moment(instant.local);
  const sameDay = after && after.local.slice(0, 10) === instant.local.slice(0, 10);
  const node = element("time", "", sameDay ? words.slice(-5) : words);
  node.dateTime = instant.text;
  return node;
}
