/** Makes or deletes a record at the fake Cloudflare: `node record.cjs create|delete`, where the Cloudflare provider is not there. */
const { CLOUDFLARE_BASE_URL, CLOUDFLARE_API_TOKEN, RECORD, RECORD_ID } = process.env;
const action = process.argv[2];
const { zone_id: zone, ...record } = JSON.parse(RECORD);
const records = `${CLOUDFLARE_BASE_URL}/zones/${zone}/dns_records`;
const headers = { authorization: `Bearer ${CLOUDFLARE_API_TOKEN}`, "content-type": "application/json" };
const TRIES = 4;

async function call(tried = 1) {
  const response =
    action === "create"
      ? await fetch(records, {
          method: "POST",
          headers: { ...headers, "x-fake-record-id": RECORD_ID },
          body: JSON.stringify(record),
        })
      : await fetch(`${records}/${RECORD_ID}`, { method: "DELETE", headers });
  // What is gone already need not be deleted.
  if (response.ok || (action === "delete" && response.status === 404)) return;
  const text = await response.text();
  if (tried === TRIES || (response.status !== 429 && response.status < 500)) {
    throw new Error(`Cloudflare answered ${response.status} to the record's ${action}: ${text}`);
  }
  await new Promise((resolve) => setTimeout(resolve, 1000 * Number(response.headers.get("retry-after") ?? 1)));
  await call(tried + 1);
}

call().catch((error) => {
  console.error(error.cause ? `${error.message}: ${error.cause.message}` : error.message);
  process.exitCode = 1;
});
