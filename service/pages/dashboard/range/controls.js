// The choice of a range and a comparison, and the lines that show the effective interval.

import { element, patch, write } from "../frame/elements.js";
import { COMPARISONS, asQuery, difference, localText, nameOf, parseLocal, rangeError, rangeOf, step } from "./ranges.js";
import { moment } from "../text/format.js";

const CHOICES = { today: "Today", yesterday: "Yesterday", "7d": "7 days", "30d": "30 days", "90d": "90 days", month: "Month", quarter: "Quarter", year: "Year", custom: "Custom" };
const NOTES = {
  clipped: "Older days are no longer kept, so it starts later.",
  wider: "Wider than requested: at this age, only whole 5 minutes, hours or days are kept.",
};

export class Controls {
  radios = [];
  #view = null;
  #last = null; // the range shown last, as a start for a custom one
  #now = NaN; // the wall clock of the zone, at the last answer
  #zone = ""; // the zone's name
  #redraw = () => {};

  /** `chosen(choice)` is called with the fields of the view that change. */
  constructor(byId, chosen) {
    this.byId = byId;
    for (const [value, text] of Object.entries(CHOICES)) {
      const radio = element("input");
      Object.assign(radio, { type: "radio", name: "range", value });
      byId("ranges").querySelector("fieldset").append(element("label", "", radio, element("span", "", text)));
      this.radios.push(radio);
      radio.addEventListener("change", () => {
        byId("custom").hidden = radio.value !== "custom";
        if (radio.value === "custom") this.#prefill();
        else chosen({ range: radio.value, at: "", start: "", end: "" });
      });
    }
    byId("ranges").addEventListener("submit", (event) => {
      event.preventDefault();
      const custom = { range: "custom", at: "", start: byId("custom-start").value, end: byId("custom-end").value };
      const error = rangeError({ start: parseLocal(custom.start), end: parseLocal(custom.end) });
      byId("custom-error").textContent = error;
      if (!error) chosen(custom);
    });
    for (const [id, direction] of [["step-back", -1], ["step-forward", 1]]) {
      byId(id).addEventListener("click", () => {
        const choice = Number.isNaN(this.#now) ? null : step(this.#view, this.#now, direction);
        if (choice) chosen(choice);
      });
    }
    for (const [value, name] of Object.entries(COMPARISONS)) byId("compare").append(new Option(name ? `vs. ${name.replace("same period ", "")}` : "No comparison", value));
    byId("compare").addEventListener("change", (event) => chosen({ compare: event.target.value }));
  }

  /** Show the choice of a view; returns an error if its range is invalid, else "". */
  mark(view) {
    this.#view = view;
    for (const radio of this.radios) radio.checked = radio.value === view.range && !(view.at && view.range === "day");
    const custom = view.range === "custom";
    this.byId("custom").hidden = !custom;
    this.byId("custom-error").textContent = "";
    this.byId("compare").value = view.compare;
    this.#markSteps();
    if (!custom) return "";
    const range = { start: parseLocal(view.start), end: parseLocal(view.end) };
    for (const end of ["start", "end"]) this.byId(`custom-${end}`).value = range[end] ? localText(range[end]) : "";
    const error = rangeError(range);
    this.byId("custom-error").textContent = error;
    return error;
  }

  #markSteps() {
    const known = this.#view && !Number.isNaN(this.#now) && !rangeError(rangeOf(this.#view, this.#now));
    this.byId("step-back").disabled = !known;
    this.byId("step-forward").disabled = !known || !step(this.#view, this.#now, 1);
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
    this.byId("before").replaceChildren("\u00a0");
  }

  /** The range that is shown, and its name. */
  get shown() {
    return this.#last && { range: this.#last, name: nameOf(this.#view, this.#last) };
  }

  /** Show the effective interval, its time zone and its offsets from UTC. */
  covers(covers, range, zone) {
    this.#last = range;
    this.#now = zone.now;
    this.#redraw = () => this.covers(covers, range, zone);
    this.#markSteps();
    const line = [element("span", "range-name", nameOf(this.#view, range)), ...spanNodes(covers)];
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

  /** Show the period compared with; returns false if a comparison with it would be misleading. */
  before(covers, comparison) {
    const line = this.byId("before");
    const name = COMPARISONS[this.#view.compare];
    if (!name) patch(line, "\u00a0");
    else if (!comparison) patch(line, "No comparison: the range lies in the future.");
    else if (!covers || difference(comparison.part, covers) === "clipped") patch(line, `No comparison: the ${name} is no longer kept.`);
    else {
      patch(line, `Compared with the ${name}: `, ...spanNodes(covers), ".");
      return true;
    }
    return false;
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
