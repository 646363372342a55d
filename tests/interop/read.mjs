// Print the first sheet's rows as JSON, as SheetJS and ExcelJS read them: node read.mjs sheetjs|exceljs FILE
import { createRequire } from "node:module";
const require = createRequire(process.env.NODE_MODULES_AT + "/");
const [, , library, path] = process.argv;
const rows = [];
if (library === "sheetjs") {
  const XLSX = require("xlsx");
  const book = XLSX.readFile(path, { cellDates: true, UTC: true });
  rows.push(...XLSX.utils.sheet_to_json(book.Sheets[book.SheetNames[0]], { header: 1, raw: true, defval: null, UTC: true }));
} else {
  const ExcelJS = require("exceljs");
  const book = new ExcelJS.Workbook();
  await book.xlsx.readFile(path);
  book.worksheets[0].eachRow({ includeEmpty: true }, (row) => {
    const cells = [];
    for (let at = 1; at <= 6; at++) cells.push(row.getCell(at).value ?? null);
    rows.push(cells);
  });
}
process.stdout.write(JSON.stringify(rows));
