// What a reader does to a page is kept in the query of its address: it survives a reload, can be linked to, and the back
// button undoes it. Works under file:// too, and leaves anchors alone. Keys that belong to other scripts are kept.
"use strict";

const address = {
  followers: [],

  /** The view as it stands in the address. */
  read() {
    return new URLSearchParams(location.search);
  },

  /** Change the view: `edit` gets the parameters. With `amend` the change joins the last one in the history. */
  change(edit, { amend = false } = {}) {
    const view = this.read();
    edit(view);
    const query = view.toString();
    if (query === this.read().toString()) return;
    history[amend ? "replaceState" : "pushState"](null, "", location.pathname + (query && `?${query}`) + location.hash);
    this.show();
  },

  /** Call `show` with the view now, and whenever it changes. It must set everything, whatever was before. */
  follow(show) {
    this.followers.push(show);
    show(this.read());
  },

  show() {
    for (const show of this.followers) show(this.read());
  },
};

window.addEventListener("popstate", () => address.show());
