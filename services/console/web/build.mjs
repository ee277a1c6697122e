// Builds the page into dist/, or the folder that is named, the same bytes each time; with "tests" the unit tests into build/tests/.
import { build } from 'esbuild';
import { readFile, readdir, rm, writeFile } from 'node:fs/promises';
import { relative } from 'node:path';

const common = { bundle: true, jsx: 'automatic', jsxImportSource: 'preact', target: ['chrome123', 'firefox120', 'safari17.5'], logLevel: 'warning' };

if (process.argv[2] === 'tests') {
  await rm('build/tests', { recursive: true, force: true });
  const entries = (await readdir('tests')).filter((name) => name.endsWith('.test.ts')).map((name) => `tests/${name}`);
  await build({ ...common, entryPoints: entries, outdir: 'build/tests', platform: 'node', format: 'esm', target: 'node18', outExtension: { '.js': '.mjs' } });
} else {
  const dist = process.argv[2] ?? 'dist';
  await rm(dist, { recursive: true, force: true });
  // Names have a hash of the content, so that browsers may keep the files for ever.
  const made = await build({
    ...common, entryPoints: { console: 'src/main.tsx' }, outdir: dist, entryNames: 'assets/[name]-[hash]', format: 'esm', minify: true,
    legalComments: 'none', metafile: true, define: { 'process.env.NODE_ENV': '"production"' },
  });
  const files = Object.keys(made.metafile.outputs);
  const named = (end) => files.find((file) => file.endsWith(end)).slice(relative('.', dist).length + 1).replace(/^/, '/console/');
  const page = await readFile('src/index.html', 'utf8');
  await writeFile(`${dist}/index.html`, page.replace('{{css}}', named('.css')).replace('{{js}}', named('.js')));
}
