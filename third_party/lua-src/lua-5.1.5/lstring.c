/*
** $Id: lstring.c,v 2.8.1.1 2007/12/27 13:02:25 roberto Exp $
** String table (keeps all strings handled by Lua)
** See Copyright Notice in lua.h
*/


#include <string.h>

#define lstring_c
#define LUA_CORE

#include "lua.h"

#include "lgc.h"
#include "lmem.h"
#include "lobject.h"
#include "lstate.h"
#include "lstring.h"

/* Darner */
#define HASHFACTOR	0x9E3779B97F4A7C15ull  /* 2^64 by the golden ratio */
typedef unsigned long long lu_int64;



void luaS_resize (lua_State *L, int newsize) {
  GCObject **newhash;
  stringtable *tb;
  int i;
  if (G(L)->gcstate == GCSsweepstring)
    return;  /* cannot resize during GC traverse */
  newhash = luaM_newvector(L, newsize, GCObject *);
  tb = &G(L)->strt;
  for (i=0; i<newsize; i++) newhash[i] = NULL;
  /* rehash */
  for (i=0; i<tb->size; i++) {
    GCObject *p = tb->hash[i];
    while (p) {  /* for each node in the list */
      GCObject *next = p->gch.next;  /* save next */
      unsigned int h = gco2ts(p)->hash;
      int h1 = lmod(h, newsize);  /* new position */
      lua_assert(cast_int(h%newsize) == lmod(h, newsize));
      p->gch.next = newhash[h1];  /* chain it */
      newhash[h1] = p;
      p = next;
    }
  }
  luaM_freearray(L, tb->hash, tb->size, TString *);
  tb->size = newsize;
  tb->hash = newhash;
}


static TString *newlstr (lua_State *L, const char *str, size_t l,
                                       unsigned int h) {
  TString *ts;
  stringtable *tb;
  if (l >= MAX_INT)
    luaM_toobig(L);
  ts = cast(TString *, luaM_malloc(L, (l+1)*sizeof(char)+sizeof(TString)));
  ts->tsv.len = cast(unsigned int, l);
  ts->tsv.hash = h;
  ts->tsv.hasplace = 0;
  ts->tsv.marked = luaC_white(G(L));
  ts->tsv.tt = LUA_TSTRING;
  ts->tsv.reserved = 0;
  memcpy(ts+1, str, l*sizeof(char));
  ((char *)(ts+1))[l] = '\0';  /* ending 0 */
  tb = &G(L)->strt;
  h = lmod(h, tb->size);
  ts->tsv.next = tb->hash[h];  /* chain new entry */
  tb->hash[h] = obj2gco(ts);
  tb->nuse++;
  if (G(L)->old != NULL) luaC_noteyoung(L, ts);  /* Darner */
  if (tb->nuse > cast(lu_int32, tb->size) && tb->size <= MAX_INT/2)
    luaS_resize(L, tb->size*2);  /* too crowded */
  return ts;
}


/*
** Darner: Lua's own hash takes each character by itself, which was most of the cost
** of a string. It still says where a string lies in tables, as the order of their
** fields follows from that and clients see it (like Redis since 7.0, it takes all
** characters, not 32 of them). But few strings become names of fields; in the table
** of all strings they lie by a hash that takes 8 characters at once and that can't
** be foreseen.
*/
unsigned int luaS_findplace (TString *ts) {
  const char *str = getstr(ts);
  size_t l = ts->tsv.len;
  unsigned int h = cast(unsigned int, l);  /* seed */
  size_t l1;
  for (l1=l; l1>0; l1--)  /* compute hash */
    h = h ^ ((h<<5)+(h>>2)+cast(unsigned char, str[l1-1]));
  ts->tsv.place = h;
  ts->tsv.hasplace = 1;
  return h;
}


static lu_int64 load8 (const char *s) {
  lu_int64 word;
  memcpy(&word, s, sizeof(word));
  return word;
}


static lu_int64 load4 (const char *s) {
  lu_int32 word;
  memcpy(&word, s, sizeof(word));
  return word;
}


/* both halves of a product */
static lu_int64 fold (lu_int64 a, lu_int64 b) {
  unsigned __int128 product = (unsigned __int128)a * b;
  return (lu_int64)product ^ (lu_int64)(product >> 64);
}


static unsigned int hashstring (global_State *g, const char *str, size_t l) {
  lu_int64 h = g->hashseed ^ l;
  lu_int64 last;
  if (l >= 8) {
    size_t at;
    for (at = 0; at + 8 < l; at += 8)
      h = fold(h ^ load8(str + at), HASHFACTOR);
    last = load8(str + l - 8);
  }
  else if (l >= 4)
    last = load4(str) << 32 | load4(str + l - 4);
  else if (l > 0)
    last = (lu_int64)cast(unsigned char, str[0]) << 16 |
           (lu_int64)cast(unsigned char, str[l/2]) << 8 | cast(unsigned char, str[l-1]);
  else
    last = 0;
  return cast(unsigned int, fold(h ^ last, HASHFACTOR));
}


TString *luaS_newlstr (lua_State *L, const char *str, size_t l) {
  GCObject *o;
  unsigned int h = hashstring(G(L), str, l);
  for (o = G(L)->strt.hash[lmod(h, G(L)->strt.size)];
       o != NULL;
       o = o->gch.next) {
    TString *ts = rawgco2ts(o);
    if (ts->tsv.hash == h && ts->tsv.len == l && (memcmp(str, getstr(ts), l) == 0)) {
      /* string may be dead */
      if (isdead(G(L), o)) changewhite(o);
      return ts;
    }
  }
  return newlstr(L, str, l, h);  /* not found */
}


Udata *luaS_newudata (lua_State *L, size_t s, Table *e) {
  Udata *u;
  if (s > MAX_SIZET - sizeof(Udata))
    luaM_toobig(L);
  u = cast(Udata *, luaM_malloc(L, s + sizeof(Udata)));
  u->uv.marked = luaC_white(G(L));  /* is not finalized */
  u->uv.tt = LUA_TUSERDATA;
  u->uv.len = s;
  u->uv.metatable = NULL;
  u->uv.env = e;
  /* chain it on udata list (after main thread) */
  u->uv.next = G(L)->mainthread->next;
  G(L)->mainthread->next = obj2gco(u);
  return u;
}

