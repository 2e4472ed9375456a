// Sorts a table by the column whose heading is clicked, down at first for numbers; cells without a value stay last.
function valueOf(row, column) {
  const text = row.cells[column].textContent.trim();
  if (text === "" || text === "-") return null;
  return /^-?[\d.,]+( ±.*)?$/.test(text) ? parseFloat(text.replaceAll(",", "")) : text;
}

function order(a, b, down) {
  if (a === null || b === null) return (a === null) - (b === null);
  const both = typeof a === "number" && typeof b === "number";
  const difference = both ? a - b : String(a).localeCompare(String(b), "en", { numeric: true });
  return down ? -difference : difference;
}

for (const table of document.querySelectorAll("table.sortable")) {
  const [body] = table.tBodies;
  const headings = [...table.tHead.rows[0].cells];
  headings.forEach((heading, column) => {
    heading.querySelector("button").addEventListener("click", () => {
      const rows = [...body.rows];
      const before = heading.getAttribute("aria-sort");
      const numeric = rows.some((row) => typeof valueOf(row, column) === "number");
      const down = before ? before === "ascending" : numeric;
      headings.forEach((other) => other.removeAttribute("aria-sort"));
      heading.setAttribute("aria-sort", down ? "descending" : "ascending");
      rows.sort((a, b) => order(valueOf(a, column), valueOf(b, column), down));
      body.append(...rows);
    });
  });
}
