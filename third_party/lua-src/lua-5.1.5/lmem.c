/*
** $Id: lmem.c,v 1.70.1.1 2007/12/27 13:02:25 roberto Exp $
** Interface to Memory Manager
** See Copyright Notice in lua.h
*/


#include <stddef.h>
#include <string.h>

#define lmem_c
#define LUA_CORE

#include "lua.h"

#include "ldebug.h"
#include "ldo.h"
#include "lmem.h"
#include "lobject.h"
#include "lstate.h"



/*
** About the realloc function:
** void * frealloc (void *ud, void *ptr, size_t osize, size_t nsize);
** (`osize' is the old size, `nsize' is the new size)
**
** Lua ensures that (ptr == NULL) iff (osize == 0).
**
** * frealloc(ud, NULL, 0, x) creates a new block of size `x'
**
** * frealloc(ud, p, x, 0) frees the block `p'
** (in this specific case, frealloc must return NULL).
** particularly, frealloc(ud, NULL, 0, 0) does nothing
** (which is equivalent to free(NULL) in ANSI C)
**
** frealloc returns NULL if it cannot create or reallocate the area
** (any reallocation to an equal or smaller size cannot fail!)
*/



#define MINSIZEARRAY	4


void *luaM_growaux_ (lua_State *L, void *block, int *size, size_t size_elems,
                     int limit, const char *errormsg) {
  void *newblock;
  int newsize;
  if (*size >= limit/2) {  /* cannot double it? */
    if (*size >= limit)  /* cannot grow even a little? */
      luaG_runerror(L, errormsg);
    newsize = limit;  /* still have at least one free place */
  }
  else {
    newsize = (*size)*2;
    if (newsize < MINSIZEARRAY)
      newsize = MINSIZEARRAY;  /* minimum size */
  }
  newblock = luaM_reallocv(L, block, *size, newsize, size_elems);
  *size = newsize;  /* update only when everything else is OK */
  return newblock;
}


void *luaM_toobig (lua_State *L) {
  luaG_runerror(L, "memory allocation error: block too big");
  return NULL;  /* to avoid warnings */
}



/*
** Darner: small blocks that are freed are kept for those of their size that are
** asked for next, as scripts make and drop many strings and tables. For this,
** small blocks have sizes in steps; only their rounded sizes reach `frealloc'.
*/
#define roundsize(s)	(((s) - 1 < CACHELARGEST) ? (((s) + CACHESTEP - 1) & \
			 ~(size_t)(CACHESTEP - 1)) : (s))  /* 0 stays 0 */
#define iscached(s)	((s) - 1 < CACHELARGEST)  /* not for 0 */
#define cachelist(g,s)	(&(g)->cached[((s) - 1) / CACHESTEP])


void luaM_emptycache (global_State *g) {
  size_t size;
  for (size = CACHESTEP; size <= CACHELARGEST; size += CACHESTEP) {
    void **list = cachelist(g, size);
    while (*list != NULL) {
      void *block = *list;
      *list = *(void **)block;
      (*g->frealloc)(g->ud, block, size, 0);
    }
  }
  g->cachedbytes = 0;
}


static void *newblock (global_State *g, size_t size) {
  void *block;
  size_t rounded = roundsize(size);
  if (iscached(size)) {
    void **list = cachelist(g, size);
    block = *list;
    if (block != NULL) {
      *list = *(void **)block;
      g->cachedbytes -= rounded;
      return block;
    }
  }
  block = (*g->frealloc)(g->ud, NULL, 0, rounded);
  if (block == NULL && g->cachedbytes > 0) {
    luaM_emptycache(g);
    block = (*g->frealloc)(g->ud, NULL, 0, rounded);
  }
  return block;
}


static void freeblock (global_State *g, void *block, size_t size) {
  size_t rounded = roundsize(size);
  if (iscached(size) && g->cachedbytes < CACHELIMIT) {
    void **list = cachelist(g, size);
    *(void **)block = *list;
    *list = block;
    g->cachedbytes += rounded;
  }
  else
    (*g->frealloc)(g->ud, block, rounded, 0);
}


static void *resizeblock (global_State *g, void *block, size_t osize,
                          size_t nsize) {
  size_t oldsize = roundsize(osize);
  size_t newsize = roundsize(nsize);
  void *resized;
  if (oldsize == newsize) return block;
  if (oldsize < newsize && iscached(nsize)) {  /* shrinking must not fail */
    resized = newblock(g, nsize);
    if (resized != NULL) {
      memcpy(resized, block, oldsize);
      freeblock(g, block, osize);
    }
    return resized;
  }
  resized = (*g->frealloc)(g->ud, block, oldsize, newsize);
  if (resized == NULL && g->cachedbytes > 0) {
    luaM_emptycache(g);
    resized = (*g->frealloc)(g->ud, block, oldsize, newsize);
  }
  return resized;
}


/*
** generic allocation routine.
*/
void *luaM_realloc_ (lua_State *L, void *block, size_t osize, size_t nsize) {
  global_State *g = G(L);
  lua_assert((osize == 0) == (block == NULL));
  if (block == NULL)
    block = (nsize == 0) ? NULL : newblock(g, nsize);
  else if (nsize == 0) {
    freeblock(g, block, osize);
    block = NULL;
  }
  else
    block = resizeblock(g, block, osize, nsize);
  if (block == NULL && nsize > 0)
    luaD_throw(L, LUA_ERRMEM);
  lua_assert((nsize == 0) == (block == NULL));
  g->totalbytes = (g->totalbytes - osize) + nsize;
  return block;
}

