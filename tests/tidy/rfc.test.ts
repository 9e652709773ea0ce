/**
 * tidy's rule on requirements of RFC 9293: rows without a line or a test, numbers that do not exist, tags
 * of another section, and a docs/rfc.md that is not what the comments say. Trees are strings.
 */
import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { Project } from '../../tools/tidy/project';
import { findTags } from '../../tools/tidy/rfc/scan';
import { DATA_FILE, DOCUMENT, writeDocument, type Requirement, type RfcData } from '../../tools/tidy/rfc/table';
import { refreshDocument, rfc } from '../../tools/tidy/rules/rfc';

const FIRST: Requirement = { id: 'MUST-1', section: '3.1', asks: 'a thing' };
const CODE = '/** Header of a file. */\nimport "x";\n\n/** RFC 9293 §3.1 MUST-1: so it is. */\nexport function tcp_first(): void {\n}\n';
const SCRIPT = '// RFC 9293 §3.1 MUST-1: shown.\n';

function data(...requirements: Requirement[]): RfcData {
  return { requirements, titles: { 9293: 'TCP' } };
}

/** The tree with its document as it should be, unless `texts` has one. */
function tree(rows: RfcData, texts: Record<string, string>): Project {
  const all = { [DATA_FILE]: JSON.stringify(rows), ...texts };
  return new Project({ [DOCUMENT]: writeDocument(new Project(all), rows), ...all });
}

function messages(rows: RfcData, texts: Record<string, string>): string[] {
  return rfc.check(tree(rows, texts)).map((f) => `${f.file}:${f.line} ${f.message}`);
}

const MET = { 'components/netinet/tcp_a.ts': CODE, 'tests/drill/a/b.pkt': SCRIPT };

describe('rfc', () => {
  it('is content where each requirement has a line and a test', () => {
    assert.deepEqual(messages(data(FIRST), MET), []);
  });

  it('says nothing of a tree without requirements', () => {
    assert.deepEqual(rfc.check(new Project(MET)), []);
  });

  it('finds a row without a line, and one without a test', () => {
    assert.match(messages(data(FIRST), { 'tests/drill/a/b.pkt': SCRIPT })[0], /MUST-1 is named by no source/);
    assert.match(messages(data(FIRST), { 'components/netinet/tcp_a.ts': CODE })[0], /MUST-1 is named by no test/);
    assert.equal(messages(data(FIRST, { ...FIRST, id: 'MUST-2' }), MET).length, 2);
  });

  it('takes a reason for either, as long as it is needed', () => {
    assert.deepEqual(messages(data({ ...FIRST, noTest: 'for this' }), { 'components/netinet/tcp_a.ts': CODE }), []);
    assert.match(messages(data({ ...FIRST, noTest: 'for this' }), MET)[0], /has a test now: remove noTest/);
    assert.match(messages(data({ ...FIRST, noSource: 'for this' }), MET)[0], /has a source now: remove noSource/);
  });

  it('wants to know why a requirement is not met', () => {
    assert.deepEqual(messages(data({ ...FIRST, status: 'not met', why: 'for this' }), {}), []);
    assert.match(messages(data({ ...FIRST, status: 'not applicable' }), {})[0], /is not applicable: say why/);
  });

  it('finds numbers that RFC 9293 does not have', () => {
    const found = messages(data(FIRST), { ...MET, 'components/netinet/tcp_b.ts': '// x\n// RFC 9293 §3.1 MUST-99\n' });
    assert.deepEqual(found, ['components/netinet/tcp_b.ts:2 RFC 9293 has no MUST-99']);
  });

  it('finds tags of another section, or of none', () => {
    const tag = (text: string): string[] => messages(data(FIRST), { ...MET, 'tests/drill/a/c.pkt': `// ${text}\n` });
    assert.match(tag('RFC 9293 §3.8 MUST-1')[0], /c\.pkt:1 MUST-1 is in §3\.1, not §3\.8: "a thing"/);
    assert.match(tag('MUST-1, as said')[0], /name the section before it, "RFC 9293 §3\.1 MUST-1"/);
    assert.match(tag('RFC 5961 §3.1 MUST-1')[0], /name the section/);
    assert.deepEqual(tag('RFC 9293 §3.1.2 MUST-1'), [], 'a part of the section');
    assert.deepEqual(tag('RFC 9293 §3.8 (MUST-40 is elsewhere), §3.1 MUST-1').length, 1, 'only MUST-40');
  });

  it('reads comments over their line breaks, and ranges', () => {
    const text = '/** Header. */\nimport "x";\n/**\n * RFC 9293 §3.1\n * MUST-4 to 6, MUST-9\n */\nclass Held {\n}\n';
    const tags = findTags(new Project({ 'kernel/net/a.ts': text }));
    assert.deepEqual(tags.map((tag) => `${tag.id} ${tag.section} ${tag.line} ${tag.name}`), [
      'MUST-4 3.1 5 Held', 'MUST-5 3.1 5 Held', 'MUST-6 3.1 5 Held', 'MUST-9 3.1 5 Held',
    ]);
  });

  it('names what is around a line, and reads titles of tests', () => {
    const source = '/** Header. */\nclass A {\n  deep(): void {\n    // RFC 9293 §3.1 MUST-1\n    g();  // RFC 9293 §3.1 MUST-2\n  }\n}\n';
    const tags = findTags(new Project({ 'host/a.ts': source, 'tests/a.test.ts': 'it("RFC 9293 §3.1 MUST-3", f);\n' }));
    assert.deepEqual(tags.map((tag) => `${tag.id} ${tag.name}`), ['MUST-1 deep', 'MUST-2 deep', 'MUST-3 ']);
  });

  it('collects a requirement without a number by its clause', () => {
    const row: Requirement = { id: 'RST', section: '3.10', asks: 'b', clause: 'RFC 5961 §3.2' };
    const texts = { 'components/a/a.ts': CODE.replace('RFC 9293 §3.1 MUST-1', 'RFC 5961 §3.2'), 'tests/drill/r.pkt': '// RFC 5961 §3.2: r\n' };
    assert.deepEqual(messages(data(row), texts), []);
    assert.equal(messages(data(row), { ...texts, 'tests/drill/r.pkt': '// RFC 5961 §3.21: other\n' }).length, 1);
  });
});

describe('docs/rfc.md', () => {
  it('has a line for each requirement, with links', () => {
    const text = writeDocument(tree(data(FIRST, { ...FIRST, id: 'MUST-2', status: 'not met', why: 'for this' }), MET), data(FIRST));
    assert.match(text, /\| MUST-1 \| 3\.1 \| a thing \| \[tcp_a\.ts:4\]\(\.\.\/components\/netinet\/tcp_a\.ts#L4\) tcp_first \| \[a\/b\]\(\.\.\/tests\/drill\/a\/b\.pkt\) \| met \|/);
    assert.match(text, /\| 9293 \| TCP \| \*\*3\.1\*\* \| 1 \| 1 \|/);
  });

  it('is found when it is stale', () => {
    const found = messages(data(FIRST), { ...MET, [DOCUMENT]: '# Old\n' });
    assert.deepEqual(found, ['docs/rfc.md:1 is not what the comments say: `npm run tidy` writes it, commit it']);
  });

  it('is written anew only when it is stale', () => {
    const root = mkdtempSync(join(tmpdir(), 'rumpwasm-rfc-'));
    mkdirSync(join(root, 'docs'));
    const project = tree(data(FIRST), { ...MET, [DOCUMENT]: '# Old\n' });
    assert.equal(refreshDocument(project, root), true);
    assert.deepEqual(rfc.check(project), []);
    assert.equal(readFileSync(join(root, DOCUMENT), 'utf8'), project.files.get(DOCUMENT)?.text);
    assert.equal(refreshDocument(project, root), false);
    rmSync(root, { recursive: true });
  });
});
