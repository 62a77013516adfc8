/** `npm run schema`: rewrites the JSON schema that editors check stingy.yaml with. */
import { writeFileSync } from "node:fs";
import { SCHEMA_FILE, schemaText } from "./generated";

writeFileSync(SCHEMA_FILE, schemaText());
