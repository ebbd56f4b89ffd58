// Search and filters: what of the picture is shown, in the drawing, the list and the tables alike.

// The keys of the nodes that the search found; nothing is searched: null.
let found = null;

const shownEdges = () => {
  const minimum = Number(byId("minimum").value) || 0;
  return edges.filter(
    (edge) =>
      (!byId("failing").checked || edge.failed > 0) &&
      (!byId("internal").checked || (edge.source.is_internal && edge.target.is_internal)) &&
      edge.connections >= minimum,
  );
};

const refresh = () => {
  const its = new Set(shownEdges());
  // Hosts that are left with no edge would hide what was asked for.
  const needsEdge = byId("failing").checked || Number(byId("minimum").value) > 0;
  const isShown = (node) =>
    (!byId("internal").checked || node.is_internal) &&
    (!needsEdge || node.edges.some((edge) => its.has(edge)));
  const hosts = new Set(nodes.filter(isShown));

  const words = byId("search").value.toLowerCase().trim();
  found =
    words === ""
      ? null
      : new Set([...hosts].filter((node) => node.searched.includes(words)).map((node) => node.key));

  cy.batch(() => {
    for (const element of cy.elements()) {
      const thing = element.data("of");
      element.toggleClass("hidden", !hosts.has(thing) && !its.has(thing));
    }
  });
  for (const node of nodes) {
    rows.get(node.key).hidden = !hosts.has(node) || (found !== null && !found.has(node.key));
  }
  const isFound = (node) => found === null || found.has(node.key);
  showRows(
    new Set([
      ...[...hosts].filter(isFound),
      ...[...its].filter((edge) => isFound(edge.source) || isFound(edge.target)),
    ]),
  );
  mark();
  const all = (shown, all, word) =>
    shown === all ? plural(all, word) : `${count(shown)} of ${plural(all, word)}`;
  const sums = `${all(hosts.size, nodes.length, "host")}, ${all(its.size, edges.length, "edge")}`;
  byId("status").textContent =
    found === null ? sums : `${count(found.size)} found in ${plural(hosts.size, "host")}`;
};

const clearSearch = () => {
  if (byId("search").value === "") return;
  byId("search").value = "";
  refresh();
};

for (const id of ["failing", "internal", "minimum"]) byId(id).addEventListener("input", refresh);
byId("search").addEventListener("input", () => {
  if (chosen) {
    chosen = null;
    showOverview();
  }
  openSheet(byId("search").value !== "");
  refresh();
});
byId("search").addEventListener("keydown", (event) => {
  const first = listed.find((node) => !rows.get(node.key).hidden);
  if (!first) return;
  if (event.key === "Enter") choose(first);
  else if (event.key === "ArrowDown") rows.get(first.key).querySelector("button").focus();
  else return;
  event.preventDefault();
});
