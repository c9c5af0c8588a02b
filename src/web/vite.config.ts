// How the pages are built: `npm run build:web` writes them to src/web/dist, which the server gives out as they are.
import { fileURLToPath } from 'node:url'
import react from '@vitejs/plugin-react'
import { defineConfig } from 'vite'

export default defineConfig({
  root: fileURLToPath(new URL('.', import.meta.url)),
  plugins: [react()],
  build: {
    outDir: 'dist',
    emptyOutDir: true,
    target: 'es2022',
    // The Content-Security-Policy allows no data: fonts, and a font that is not inlined can be cached.
    assetsInlineLimit: 0,
    sourcemap: false,
  },
})
