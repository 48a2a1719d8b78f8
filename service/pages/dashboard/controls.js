// The choice of a range, and the lines that show the effective interval.

import { element, patch, write } from "./elements.js";
import { NAMES, asQuery, difference, localText, parseLocal, rangeError } from "./ranges.js";
import { moment } from "./format.js";

const NOTES = {
  clipped: "Older days are no longer kept, so it starts later.",
  wider: "Wider than requested: at this age, only whole 5 minutes, hours or days are kept.",
};

export class Controls {
  #last = null; // the range shown last, as a start for a custom one
  #zone = ""; // the zone's name
  #redraw = () => {};

  /** `chosen({range, start, end})` is called when the choice changes. */
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
      const error = rangeError({ start: parseLocal(custom.start), end: parseLocal(custom.end) });
      byId("custom-error").textContent = error;
      if (!error) chosen(custom);
    });
  }

  /** Show the choice of a view; returns an error if its range is invalid, else "". */
  mark(view) {
    for (const radio of this.radios) radio.checked = radio.value === view.range;
    const custom = view.range === "custom";
    this.byId("custom").hidden = !custom;
    this.byId("custom-error").textContent = "";
    if (!custom) return "";
    const range = { start: parseLocal(view.start), end: parseLocal(view.end) };
    for (const end of ["start", "end"]) this.byId(`custom-${end}`).value = range[end] ? localText(range[end]) : "";
    const error = rangeError(range);
    this.byId("custom-error").textContent = error;
    return error;
  }

  #prefill() {
    const query = this.#last && asQuery(this.#last);
    this.byId("custom-start").value ||= query?.start ?? "";
    this.byId("custom-end").value ||= query?.end ?? "";
    this.byId("custom-start").focus();
  }

  /** Set the zone's name, which may be known later than its offset. */
  setZone(zone) {
    if (zone === this.#zone) return;
    this.#zone = zone;
    write(this.byId("custom-zone"), zone && `Times are in the organization’s time zone, ${zone}.`);
    this.#redraw();
  }

  /** Remove the lines of an earlier range. */
  clear() {
    this.#redraw = () => {};
    this.byId("covers").replaceChildren();
  }

  /** Show the effective interval, its time zone and its offsets from UTC. */
  covers(covers, range, zone, name) {
    this.#last = range;
    this.#redraw = () => this.covers(covers, range, zone, name);
    const line = [element("span", "range-name", NAMES[name]), ...spanNodes(covers)];
    const offsets = new Set([covers.start.offset, covers.end.offset]);
    const utc = [...offsets].map((offset) => `UTC${offset}`).join(" → ");
    const zones = element("span", "zone", this.#zone && this.#zone !== "UTC" ? `${this.#zone}, ${utc}` : utc);
    zones.title = "The organization’s reporting time zone";
    line.push(" ", zones);
    if (zone.now < parseLocal(covers.end.local)) line.push(" ", element("span", "quiet", "in progress"));
    const note = NOTES[difference(range, covers)];
    if (note) line.push(" ", element("span", "note", note));
    patch(this.byId("covers"), ...line);
  }

  /** Show the previous period; returns false if a comparison with it would be misleading. */
  before(covers, range) {
    const line = this.byId("before");
    if (!range) {
      patch(line, "No comparison: the range lies in the future.");
      return false;
    }
    if (!covers || difference(range, covers) === "clipped") {
      patch(line, "No comparison: the previous period is no longer kept.");
      return false;
    }
    patch(line, "Changes are relative to the previous period: ", ...spanNodes(covers), ".");
    return true;
  }
}

function spanNodes({ start, end }) {
  return [timeNode(start), " – ", timeNode(end, start)];
}

/** A `<time>`, without the date if it is the date of `after`. */
function timeNode(instant, after) {
  const words = moment(instant.local);
  const sameDay = after && after.local.slice(0, 10) === instant.local.slice(0, 10);
  const node = element("time", "", sameDay ? words.slice(-5) : words);
  node.dateTime = instant.text;
  return node;
}
