// The first file of the pages: theme, sign-in code, then the pages.
import { QueryClientProvider } from '@tanstack/react-query'
import { RouterProvider } from '@tanstack/react-router'
import { StrictMode } from 'react'
import { createRoot } from 'react-dom/client'
import { queries } from './api/queries.ts'
import { restoreTheme } from './frame/theme.ts'
import { router } from './router.tsx'
import { signInByAddress } from './signin/sign-in.tsx'
import './style/all.css'

restoreTheme()
const place = document.getElementById('app')
if (place === null) throw new Error('bug: index.html has no #app')
await signInByAddress()
createRoot(place).render(
  <StrictMode>
    <QueryClientProvider client={queries}>
      <RouterProvider router={router} />
    </QueryClientProvider>
  </StrictMode>,
)
