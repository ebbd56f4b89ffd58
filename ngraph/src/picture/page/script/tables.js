// All hosts and edges as tables, to sort, to copy, and to be read aloud.

const text = (get) => ({ get, show: (thing) => isolated(get(thing)) });
const number = (get, show = count) => ({ get, show: (thing) => show(get(thing)), isNumber: true });

const EDGE_COLUMNS = {
  From: { get: (edge) => edge.source.title, show: (edge) => link(edge.source) },
  To: { get: (edge) => edge.target.title, show: (edge) => link(edge.target) },
  Connections: number((edge) => edge.connections),
  Opened: number((edge) => edge.opened),
  ...(edges.some((edge) => edge.opened_per_second !== null) && {
    Rate: number((edge) => edge.opened_per_second, rate),
  }),
  Failed: {
    get: (edge) => edge.failed,
    show: (edge) => (edge.failed > 0 ? make("span", { className: "fail", textContent: failures(edge) }) : ""),
    isNumber: true,
  },
  Remarks: text((edge) => remarks(edge).join(" · ")),
};
const NODE_COLUMNS = {
  Host: { get: (node) => node.title, show: link },
  Kind: text((node) => [...kind(node), ...(node.change === "none" ? [] : [node.change])].join(", ")),
  Addresses: text((node) => node.addresses.join(", ")),
  Names: text((node) => node.names.join(", ")),
  Edges: number((node) => node.edges.length),
  Connections: number((node) => node.connections),
  Failed: {
    ...number((node) => node.failed),
    show: (node) => (node.failed > 0 ? failedCount(node.failed) : ""),
  },
};

const compare = (one, other) =>
  typeof one === "string" ? one.localeCompare(other, "en", { numeric: true }) : (one ?? -1) - (other ?? -1);

// Fills a table; gives back a row for each thing.
const fill = (table, columns, things) => {
  const made = new Map(
    things.map((thing) => [
      thing,
      make(
        "tr",
        {},
        ...Object.values(columns).map((column, index) =>
          make(
            index === 0 ? "th" : "td",
            { className: column.isNumber ? "number" : "", ...(index === 0 && { scope: "row" }) },
            column.show(thing),
          ),
        ),
      ),
    ]),
  );
  const body = make("tbody", {}, ...made.values());
  const heads = Object.entries(columns).map(([name, column]) => {
    const button = make("button", { textContent: name });
    const head = make("th", { scope: "col", className: column.isNumber ? "number" : "" }, button);
    button.addEventListener("click", () => {
      const isDown =
        head.getAttribute("aria-sort") !== (column.isNumber ? "descending" : "ascending")
          ? column.isNumber
          : !column.isNumber;
      for (const other of heads) other.removeAttribute("aria-sort");
      head.setAttribute("aria-sort", isDown ? "descending" : "ascending");
      const sorted = [...made.keys()].sort(
        (one, two) => compare(column.get(one), column.get(two)) * (isDown ? -1 : 1),
      );
      body.append(...sorted.map((thing) => made.get(thing)));
    });
    return head;
  });
  table.append(make("thead", {}, make("tr", {}, ...heads)), body);
  return made;
};

// Made when they are first asked for: thousands of rows take as long as the drawing.
let lines = null;
const showRows = (shown) => {
  for (const [thing, line] of lines ?? []) line.hidden = !shown.has(thing);
};

const view = (name) => {
  document.body.dataset.view = name;
  if (name === "tables" && !lines) {
    lines = new Map([
      ...fill(byId("edge-table"), EDGE_COLUMNS, edges),
      ...fill(byId("node-table"), NODE_COLUMNS, listed),
    ]);
    refresh();
  }
  for (const other of ["graph", "tables"]) {
    byId(`view-${other}`).setAttribute("aria-pressed", String(other === name));
  }
  if (name === "graph") cy.resize();
};
byId("view-graph").addEventListener("click", () => view("graph"));
byId("view-tables").addEventListener("click", () => view("tables"));
byId("to-tables").addEventListener("click", () => {
  view("tables");
  byId("tables").focus();
});
