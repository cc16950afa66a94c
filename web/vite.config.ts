import { readFileSync } from 'node:fs';
import { defineConfig, type Plugin } from 'vite';

// The licences of what the bundle holds ask to travel with it.
function licences(...packages: string[]): Plugin {
  return {
    name: 'licences',
    apply: 'build',
    generateBundle() {
      const source = packages
        .map((p) => `${p}\n\n${readFileSync(new URL(`node_modules/${p}/LICENSE`, import.meta.url), 'utf8').trim()}\n`)
        .join(`\n${'-'.repeat(80)}\n\n`);
      this.emitFile({ type: 'asset', fileName: 'licences.txt', source });
    },
  };
}

// The built page is committed and embedded in the binary, so its names are
// fixed and its octets depend on nothing but the sources and the lock file.
export default defineConfig({
  plugins: [licences('preact', '@preact/signals', '@preact/signals-core', 'uplot')],
  base: './', // also works below a path, behind a reverse proxy
  build: {
    target: 'es2022',
    modulePreload: { polyfill: false },
    assetsInlineLimit: 0, // the Content-Security-Policy allows no data: URL
    rolldownOptions: {
      output: {
        entryFileNames: 'app.js',
        assetFileNames: 'app[extname]',
        codeSplitting: false,
      },
    },
  },
  server: {
    proxy: { '/api': process.env['RATADNS'] ?? 'http://localhost:8053' },
  },
});
