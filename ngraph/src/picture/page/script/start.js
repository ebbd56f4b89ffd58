// Puts it all in place: what the document is, its notes, the legend, the colours.

byId("title").textContent = document.title = visible(picture.title);
byId("made").textContent = visible(
  [picture.made_of, picture.made_at].filter((part) => part !== "").join(" · "),
);

const lost = picture.edges.length - edges.length;
const notes = [
  ...picture.notes.map(visible),
  ...(nodes.length === 0 ? ["There is no host to draw."] : []),
  ...(lost > 0 ? [`${plural(lost, "edge")} of hosts that are not in the document left out.`] : []),
];
byId("notes").hidden = notes.length === 0;
byId("notes").append(...notes.map((note) => make("li", { dir: "auto", textContent: note })));

// Only what there is: a line of the legend is a thing to look for.
const stroke = (name, attributes = {}) => [
  drawn("path", { d: "M1 7h21", stroke: `var(--${name})`, "stroke-width": 2, ...attributes }),
  drawn("path", { d: "M29 7l-8-4.5v9z", fill: `var(--${name})` }),
];
const outline = (node) => [swatch(node).firstChild];
const group = nodes.find((node) => node.members > 0);
const legend = [
  [nodes.some((node) => node.is_internal), "host", outline({ is_internal: true, has_agent: true })],
  [
    nodes.some((node) => node.is_internal && !node.has_agent),
    "host without an agent",
    outline({ is_internal: true }),
  ],
  [nodes.some((node) => !node.is_internal), "external", outline({ is_internal: false })],
  [group, "group of hosts", outline(group ?? {})],
  [edges.length > 0, "connects to; wider is more", stroke("edge")],
  [
    edges.some((edge) => edge.failed > 0),
    "with failures",
    [...stroke("fail"), drawn("path", { d: "M11 2v10", stroke: "var(--fail)", "stroke-width": 2 })],
  ],
  [
    edges.some((edge) => edge.seen_by !== "both"),
    "told by one end alone",
    stroke("edge", { "stroke-dasharray": "5 3" }),
  ],
  [
    edges.some((edge) => edge.is_translated),
    "translated on the way",
    [
      ...stroke("edge", { d: "M7 7h15" }),
      drawn("circle", { cx: 4, cy: 7, r: 2.5, fill: "none", stroke: "var(--edge)", "stroke-width": 1.5 }),
    ],
  ],
  [[...nodes, ...edges].some((thing) => thing.change === "new"), "new", stroke("new")],
  [
    [...nodes, ...edges].some((thing) => thing.change === "gone"),
    "gone",
    stroke("gone", { "stroke-dasharray": "1.5 3" }),
  ],
];
byId("legend")
  .querySelector("ul")
  .append(
    ...legend
      .filter(([isThere]) => isThere)
      .map(([, words, shapes]) =>
        make(
          "li",
          {},
          drawn("svg", { width: shapes.length > 1 ? 30 : 14, height: 14, "aria-hidden": "true" }, ...shapes),
          words,
        ),
      ),
  );
byId("legend").open = !isNarrow.matches;

const press = (isDark) => byId("theme").setAttribute("aria-pressed", String(isDark));
const paint = (isDark) => {
  document.documentElement.dataset.theme = isDark ? "dark" : "light";
  press(isDark);
  cy.style(sheet());
};
byId("theme").addEventListener("click", () => paint(document.documentElement.dataset.theme !== "dark"));
prefersDark.addEventListener("change", ({ matches }) => paint(matches));

byId("about-open").addEventListener("click", () => byId("about").showModal());

press(prefersDark.matches);
cy.resize();
arrange(layoutChoice.value);
refresh();
