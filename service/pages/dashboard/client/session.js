// The token: in this tab's session storage, and handed over to other tabs if its holder wants that.
//
// A new tab asks on a channel of this origin, and another one answers: so a sign-in lasts as long as a tab with it is open, and never
// reaches the disk as local storage or a cookie would.

const TOKEN = "sidedata-token";
const SHARED = "sidedata-shared";
const CHANNEL = "sidedata-session";

export class Session {
  #channel = new BroadcastChannel(CHANNEL);

  /** `on.received()` is called when another tab has handed its token over, `on.ended()` when it has signed out. */
  constructor(on) {
    this.#channel.addEventListener("message", ({ data }) => {
      if (data.ask && this.token && this.shared) this.#channel.postMessage({ token: this.token });
      if (data.token && !this.token) {
        this.open(data.token, true);
        on.received();
      }
      if (data.end && this.shared && this.token) {
        this.#forget();
        on.ended();
      }
    });
  }

  get token() {
    return sessionStorage.getItem(TOKEN) ?? "";
  }

  /** True if other tabs may have the token. */
  get shared() {
    return sessionStorage.getItem(SHARED) === "yes";
  }

  /** Ask the other tabs for a token. */
  ask() {
    this.#channel.postMessage({ ask: true });
  }

  open(token, shared) {
    sessionStorage.setItem(TOKEN, token);
    sessionStorage.setItem(SHARED, shared ? "yes" : "no");
  }

  /** Forget the token, in the other tabs that have it too. */
  close() {
    if (this.shared) this.#channel.postMessage({ end: true });
    this.#forget();
  }

  #forget() {
    sessionStorage.removeItem(TOKEN);
  }
}
