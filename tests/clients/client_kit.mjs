// What fhir-kit-client (npm) finds and writes at GATEWAY: prints it as JSON.
import { Client } from 'fhir-kit-client';

const { BASE, PATIENT, NUMBER, READER, WRITER } = process.env;
const as = (token) => new Client({ baseUrl: BASE, customHeaders: { Authorization: `Bearer ${token}` } });
const [reads, writes] = [as(READER), as(WRITER)];
const ids = (bundle) => (bundle.entry ?? []).filter((each) => each.search?.mode === 'match').map((each) => each.resource.id);

const one = await reads.read({ resourceType: 'Patient', id: PATIENT });
const seen = [];
for (
  let page = await reads.search({ resourceType: 'Observation', searchParams: { patient: PATIENT, _count: 1 } });
  page;
  page = await reads.nextPage({ bundle: page })
) seen.push(...ids(page));
const posted = await reads.search({
  resourceType: 'Observation', searchParams: { 'patient.identifier': NUMBER, _count: 250 }, options: { postSearch: true },
});
const everything = await reads.operation({ name: 'everything', resourceType: 'Patient', id: PATIENT, method: 'GET' });
const statement = await reads.capabilityStatement();
const smart = await reads.smartAuthMetadata();
const missing = await reads.read({ resourceType: 'Patient', id: 'unknown' }).catch((error) => error.response.status);

const made = await writes.create({
  resourceType: 'Patient',
  body: { resourceType: 'Patient', name: [{ family: 'Zzclient' }], identifier: [{ system: 'urn:client', value: 'kit' }] },
});
const updated = await writes.update({ resourceType: 'Patient', id: made.id, body: { ...made, gender: 'female' } });
const patched = await writes.patch({
  resourceType: 'Patient', id: made.id, jsonPatch: [{ op: 'replace', path: '/gender', value: 'male' }],
});
await writes.delete({ resourceType: 'Patient', id: made.id });
console.log(JSON.stringify({
  family: one.name[0].family, observations: seen.sort(), by_number: ids(posted).sort(),
  everything: [...new Set(everything.entry.map((each) => each.resource.resourceType))].sort(),
  version: statement.fhirVersion, token: smart.tokenUrl?.href ?? smart.tokenUrl, missing,
  written: [updated.gender, patched.gender, updated.id === made.id],
}));
