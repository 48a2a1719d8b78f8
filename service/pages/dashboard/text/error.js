// The standard error of an estimated number of visitors or sessions. Pure.
//
// The service counts with HyperLogLogs and Ertl's estimator, which is as good as linear counting while many registers are empty, and
// approaches 1.04 / √m beyond. Measured, its error is at most the smaller of the two.

import { count } from "./format.js";

const REGISTERS = 16_384;

/** The relative standard error of an estimate of that many: √(m (e^(n/m) − n/m − 1)) / n (Whang 1990), at most 1.04 / √m. */
export function standardError(estimate) {
  const load = estimate / REGISTERS;
  // Below, the difference loses its digits; this is its limit.
  if (load < 0.001) return Math.sqrt(1 / (2 * REGISTERS));
  return Math.min(Math.sqrt(REGISTERS * (Math.exp(Math.min(load, 9)) - load - 1)) / estimate, 1.04 / Math.sqrt(REGISTERS));
}

/** The error of an estimate in words, or of a sum of estimates; "" of nothing, which is exact. */
export function errorText(estimate, isSum = false) {
  if (!estimate) return "";
  const relative = standardError(estimate);
  const absolute = relative * estimate;
  const what = isSum ? "A sum of estimates" : "An estimate";
  if (estimate < 50) return `${what}; below 50 it is nearly always exact`;
  const size = absolute < 9.5 ? absolute.toFixed(1) : count(Math.round(absolute));
  return `${what} with a standard error of ${isSum ? "at most " : ""}±${size} (${(100 * relative).toFixed(2)}\u00a0%)`;
}
