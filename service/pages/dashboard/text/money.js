// Sums of money, which the service sends as exact decimals.

import { figure } from "./format.js";

const forms = new Map();

/** The digits after the point that a currency has: 2 for EUR, 0 for JPY, 3 for KWD. */
function formOf(currency) {
  if (!forms.has(currency)) {
    const { maximumFractionDigits: digits } = new Intl.NumberFormat("en", { style: "currency", currency }).resolvedOptions();
    // Given a string, it rounds the decimal and not a double.
    forms.set(currency, new Intl.NumberFormat("en", { minimumFractionDigits: digits, maximumFractionDigits: digits, useGrouping: false }));
  }
  return forms.get(currency);
}

const plain = (text) => (text.includes(".") ? text.replace(/\.?0+$/, "") : text);

/** A sum in the currency's own digits, as a `<data>` with the exact decimal as its value, and as its tooltip where they differ. */
export function moneyFigure(value, currency) {
  const text = formOf(currency).format(value);
  const node = figure(text, plain(text) === plain(value) ? "" : `Exactly ${value}`);
  node.value = value;
  return node;
}
