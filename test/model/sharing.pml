// SPDX-License-Identifier: MIT
// Leaf tables with two parents: fork, clone, take back, dropping a reference, and a change in place.
// A parent's entry for such a table changes under the parent's lock and the table's, and the table's
// lock is the last one taken.

bool born; // the second space was made, and may run

// Whether CPU c may write through its TLB what another space can read.
#define REACHES(its, f) (FRAME(SLOT(ROOT(its), 0)) != 0 && FRAME(BELOW(SLOT(ROOT(its), 0))) == f)
#define READS(c, other, f) (runs[other] != runs[c] && FRAME(tlb[other]) == f)
#define FOREIGN_WRITE(c) (born && WRITE(tlb[c]) && (REACHES(1 - runs[c], FRAME(tlb[c])) || \
    READS(c, 0, FRAME(tlb[c])) || READS(c, 1, FRAME(tlb[c])) || READS(c, 2, FRAME(tlb[c]))))

#include "protocol.pml"

#define TABLE_OF(its) FRAME(SLOT(ROOT(its), 0))
#define OWNED(table) (lock[table] == me + 1 && (table == ROOT(s) || TABLE_OF(s) == table))

// Drops this space's reference to a table. The last one takes it apart.
inline drop_reference(f) {
    atomic {
        assert(refs[f] != 0);
        refs[f]--;
        holders[f] = holders[f] & ~(1 << s);
        if
        :: refs[f] == 0 -> dismantle(f)
        :: else
        fi
    }
}

#ifdef DROPPED_BEFORE_FLUSH
#define DROP_EARLY(f) drop_reference(f)
#define DROP_LATE(f) skip
#else
#define DROP_EARLY(f) skip
#define DROP_LATE(f) drop_reference(f)
#endif

// Gives the second space the first one's table. The caller's space is the first.
#ifdef FORK_NOT_NARROWED
#define FORKED(f) ENTRY(f, 1)
#else
#define FORKED(f) ENTRY(f, 0)
#endif
#ifdef FORK_NOT_FLUSHED
#define FLUSH_FORK skip
#else
#define FLUSH_FORK flush(1 << s)
#endif
inline fork() {
    atomic { take(ROOT(s)); t = TABLE_OF(s) }
    take(t);
    SLOT(ROOT(s), 0) = FORKED(t);
    atomic {
        refs[t]++;
        holders[t] = 3;
        SLOT(ROOT(1), 0) = ENTRY(t, 0);
        drop(t)
    }
    FLUSH_FORK;
    atomic { drop(ROOT(s)); t = 0; born = 1 }
}

// The table below the root's narrowed entry becomes the space's own: taken back when it is so
// already, else copied. Both locks are held; gives both up.
#ifdef CLONE_LEAVES_ORIGINAL
#define NARROW_ORIGINAL skip
#else
#define NARROW_ORIGINAL SLOT(t, 0) = NARROW(SLOT(t, 0))
#endif
#ifdef TAKEN_BACK_WHILE_SHARED
#define SOLE(table) (TABLE_OF(1 - s) != table)
#else
#define SOLE(table) (refs[table] == 1)
#endif
#ifdef CLONE_NOT_FLUSHED
#define FLUSH_CLONE skip
#else
#define FLUSH_CLONE flush(1 << s); assert(COHERENT(s))
#endif
inline make_own() {
    if
    :: atomic { SOLE(t) -> SLOT(ROOT(s), 0) = ENTRY(t, 1); drop(t); drop(ROOT(s)) }
    :: atomic {
            else ->
            allocate(p, TABLE);
            lock[p] = me + 1;
            SLOT(p, 0) = NARROW(SLOT(t, 0));
            NARROW_ORIGINAL;
            if
            :: FRAME(SLOT(t, 0)) != 0 -> refs[FRAME(SLOT(t, 0))]++
            :: else
            fi
        }
        atomic { SLOT(ROOT(s), 0) = ENTRY(p, 1); drop(t) }
        DROP_EARLY(t);
        FLUSH_CLONE;
        atomic { drop(p); drop(ROOT(s)) }
        DROP_LATE(t)
    fi
}

#ifdef COPY_NOT_FLUSHED
#define FLUSH_COPY skip
#else
#define FLUSH_COPY flush(1 << s); assert(COHERENT(s))
#endif
// A write to the page. What is shared is made the space's own: first the table, then the page.
inline write_fault() {
    do
    :: lock_page(0, 1);
        t = FRAME(SLOT(top, 0));
        if
        :: atomic { top == ROOT(s) && t == 0 -> drop(top); break } // a hole
        :: top == ROOT(s) && t != 0 -> take(t); make_own()
        :: atomic {
                top != ROOT(s) && t == 0 -> // lazy, or evicted: a frame of its own
                allocate(p, PAGE);
                assert(OWNED(top) && UNCACHED(s));
                SLOT(top, 0) = ENTRY(p, 1);
                drop(top);
                break
            }
        :: atomic {
                top != ROOT(s) && t != 0 && (refs[t] == 1 || WRITE(SLOT(top, 0))) ->
                assert(OWNED(top));
                SLOT(top, 0) = ENTRY(t, 1);
                drop(top);
                break
            }
        :: atomic {
                top != ROOT(s) && t != 0 && refs[t] != 1 && !WRITE(SLOT(top, 0)) ->
                allocate(p, PAGE);
                assert(OWNED(top));
                SLOT(top, 0) = ENTRY(p, 1)
            }
            FLUSH_COPY;
            atomic { drop(top); drop_page(t); break }
        fi
    od;
    atomic { e = 0; t = 0; p = 0; top = 0 }
}

// A read: what means the same to all users of a table is done in place, under its lock alone.
inline read_fault() {
    lock_page(0, 0);
    atomic {
        if
        :: top != ROOT(s) && FRAME(SLOT(top, 0)) == 0 ->
            allocate(p, PAGE);
            assert(OWNED(top));
            SLOT(top, 0) = ENTRY(p, 0)
        :: else
        fi;
        drop(top);
        e = 0; p = 0; top = 0
    }
}

// Takes the whole table out of the space.
inline unmap_shared() {
    atomic { take(ROOT(s)); t = TABLE_OF(s) }
    if
    :: t != 0 ->
        take(t);
        atomic {
            assert(OWNED(t));
            SLOT(ROOT(s), 0) = EMPTY;
            stale[t] = (refs[t] == 1);
            drop(t)
        }
        DROP_EARLY(t);
        flush(1 << s);
        drop(ROOT(s));
        DROP_LATE(t)
    :: else -> drop(ROOT(s))
    fi;
    t = 0
}

// Takes the page out of the table for all that share it, under the table's lock alone.
#ifdef EVICT_FLUSHES_ONE
#define SHARERS(f) (1 << s)
#elif defined(EVICT_FLUSHES_PARENTS)
#define SHARERS(f) ((TABLE_OF(0) == f) | ((TABLE_OF(1) == f) << 1))
#else
#define SHARERS(f) holders[f]
#endif
inline evict() {
    lock_page(0, 0);
    p = (top != ROOT(s) -> FRAME(SLOT(top, 0)) : 0);
    if
    :: p != 0 ->
        atomic { assert(OWNED(top)); SLOT(top, 0) = FILE }
        flush(SHARERS(top));
        atomic { drop(top); drop_page(p) }
    :: else -> drop(top)
    fi;
    atomic { e = 0; p = 0; top = 0 }
}
