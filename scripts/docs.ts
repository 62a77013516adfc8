/** `npm run docs`: rewrites the documents, and the parts of documents, that are made from the code. */
import { writeFileSync } from "node:fs";
import {
  CLI_FILE,
  cliReferenceText,
  REFERENCE_FILE,
  RUNBOOK_FILE,
  referenceText,
  runbookText,
  writeFailover,
} from "./generated";

writeFileSync(REFERENCE_FILE, referenceText());
writeFileSync(CLI_FILE, cliReferenceText());
writeFileSync(RUNBOOK_FILE, runbookText());
writeFailover();
