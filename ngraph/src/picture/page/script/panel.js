// The panel: all hosts as a list, or one host or edge in full.

const swatch = (node) => {
  const line = {
    fill: `var(--${nodeFill(node)})`,
    stroke: `var(--${node.is_internal ? "node-line" : "outside-line"})`,
    "stroke-width": node.members > 0 ? 3 : 1.5,
    ...(node.is_internal && !node.has_agent && { "stroke-dasharray": "3 2" }),
  };
  const inner = node.is_internal
    ? isSmall
      ? drawn("rect", { x: 1.5, y: 2.5, width: 11, height: 9, rx: 2.5, ...line })
      : drawn("circle", { cx: 7, cy: 7, r: 5, ...line })
    : drawn("path", {
        d: isSmall ? "M4 2.5h6l2.5 2.5v4l-2.5 2.5h-6l-2.5-2.5v-4z" : "M7 1l6 6-6 6-6-6z",
        ...line,
      });
  return drawn("svg", { width: 14, height: 14, viewBox: "0 0 14 14", "aria-hidden": "true" }, inner);
};
const failedCount = (number) => make("span", { className: "fail", textContent: `${count(number)} failed` });

const kind = (node) => [
  node.is_internal ? "internal" : "external",
  ...(node.members > 0 ? [`group of ${count(node.members)}`] : []),
  ...(node.has_agent ? ["agent runs here"] : []),
];

const row = (node) => {
  const counts = make("span", { className: "count" });
  if (node.failed > 0) counts.append(failedCount(node.failed), " ");
  counts.append(count(node.connections));
  const words = [...kind(node), plural(node.connections, "connection")];
  if (node.failed > 0) words.push(`${count(node.failed)} failed`);
  if (node.change !== "none") words.push(node.change);
  const aside = node.addresses.find((address) => address !== node.title) ?? kind(node).join(", ");
  const button = make(
    "button",
    { attributes: { "aria-label": `${node.title}, ${words.join(", ")}` } },
    swatch(node),
    isolated(node.title, "name"),
    counts,
    isolated(node.change === "none" ? aside : `${node.change} · ${aside}`, "sub"),
  );
  button.addEventListener("click", () => choose(node));
  return make("li", {}, button);
};
const rows = new Map(listed.map((node) => [node.key, row(node)]));
byId("hosts").append(...rows.values());

byId("hosts").addEventListener("keydown", (event) => {
  const buttons = Array.from(byId("hosts").querySelectorAll("li:not([hidden]) button"));
  const at = buttons.indexOf(document.activeElement);
  const to = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: buttons.length - 1 }[event.key];
  if (to === undefined) return;
  event.preventDefault();
  if (to < 0) byId("search").focus();
  else buttons[Math.min(to, buttons.length - 1)]?.focus();
});

const link = (node) => {
  const button = make("button", { className: "link" }, isolated(node.title));
  button.addEventListener("click", () => choose(node));
  return button;
};
const badge = (text, className = "") => make("span", { className: `badge ${className}`, textContent: text });
const heading = (titles) => make("h2", { id: "detail-title" }, ...titles);
const facts = (pairs) => {
  const list = make("dl", { className: "facts" });
  for (const [term, values] of pairs.filter(([, values]) => values.length > 0)) {
    const items = values.map((value) =>
      make("li", {}, value instanceof Node ? value : isolated(String(value))),
    );
    list.append(make("dt", { textContent: term }), make("dd", {}, make("ul", {}, ...items)));
  }
  return list;
};

// The edges at one side of a host, those with failures and most connections first.
const edgeTable = (title, its, other) => {
  if (its.length === 0) return [];
  const hasRates = its.some((edge) => edge.opened_per_second !== null);
  const heads = ["Host", "Connections", ...(hasRates ? ["Rate"] : [])];
  const head = make(
    "tr",
    {},
    ...heads.map((text, index) =>
      make("th", { scope: "col", className: index > 0 ? "number" : "", textContent: text }),
    ),
  );
  const body = [...its]
    .sort((one, two) => two.failed - one.failed || two.connections - one.connections)
    .map((edge) => {
      const first = make("th", { scope: "row" }, link(other(edge)));
      if (edge.failed > 0)
        first.append(make("div", { className: "fail", textContent: `failed: ${failures(edge)}` }));
      if (remarks(edge).length > 0)
        first.append(
          make("div", { className: "aside", dir: "auto", textContent: remarks(edge).join(" · ") }),
        );
      const line = make(
        "tr",
        {},
        first,
        make("td", { className: "number", textContent: count(edge.connections) }),
      );
      if (hasRates)
        line.append(make("td", { className: "number", textContent: rate(edge.opened_per_second) }));
      return line;
    });
  return [
    make("h3", { textContent: `${title} (${count(its.length)})` }),
    make(
      "table",
      { attributes: { "aria-label": title } },
      make("thead", {}, head),
      make("tbody", {}, ...body),
    ),
  ];
};

const nodeDetail = (node) => {
  const badges = kind(node).map((text) => badge(text));
  if (node.change !== "none") badges.push(badge(node.change, node.change));
  if (node.failed > 0) badges.push(badge(`${count(node.failed)} failed`, "failing"));
  return [
    heading([isolated(node.title)]),
    make("div", { className: "badges" }, ...badges),
    facts([
      ["Addresses", node.addresses],
      ["Names", node.names],
    ]),
    ...edgeTable(
      "Connects to",
      node.edges.filter((edge) => edge.source === node),
      (edge) => edge.target,
    ),
    ...edgeTable(
      "Accepts from",
      node.edges.filter((edge) => edge.target === node),
      (edge) => edge.source,
    ),
  ];
};

const edgeDetail = (edge) => [
  heading([isolated(edge.source.title), " → ", isolated(edge.target.title)]),
  facts([
    ["From", [link(edge.source)]],
    ["To", [link(edge.target)]],
    ["Connections", [count(edge.connections)]],
    ["Opened", [count(edge.opened)]],
    ["Rate", edge.opened_per_second === null ? [] : [rate(edge.opened_per_second)]],
    ["Failed", edge.failed > 0 ? [make("span", { className: "fail", textContent: failures(edge) })] : []],
    ["Remarks", remarks(edge)],
  ]),
];

const handle = byId("handle");
const openSheet = (isOpen) => {
  handle.setAttribute("aria-expanded", String(isOpen));
  // It may have taken room from the drawing.
  cy.resize();
};
handle.textContent = plural(nodes.length, "host");
handle.addEventListener("click", () => openSheet(handle.getAttribute("aria-expanded") !== "true"));

const showOverview = () => {
  byId("detail").hidden = true;
  byId("overview").hidden = false;
};
const showDetail = (parts) => {
  const back = make("button", { className: "back", textContent: "‹ All hosts" });
  back.addEventListener("click", leave);
  byId("detail").replaceChildren(back, ...parts);
  byId("detail").hidden = false;
  byId("overview").hidden = true;
  byId("panel-body").scrollTop = 0;
  openSheet(true);
};
