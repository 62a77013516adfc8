/** `npm run golden`: rewrites the JSON that reviewers read, test/golden/examples. */
import { writeGolden } from "../test/support/golden";

writeGolden();
