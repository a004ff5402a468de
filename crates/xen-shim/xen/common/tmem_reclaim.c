/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * tmem_reclaim.c: memory that tmem holds and that Xen can have back.
 *
 * Holds the hook of the page allocator, the hook of claims, and the figures.
 * Ephemeral pages are memory that serves as long as nobody needs it; what is
 * here makes that true.  Persistent pages are never touched.
 */

#include <xen/irq.h>
#include <xen/lib.h>
#include <xen/mm.h>
#include <xen/numa.h>
#include <xen/sched.h>
#include <xen/time.h>
#include <xen/tmem.h>
#include <xen/tmem-rs.h>

/* Pages that one round evicts: some tens of microseconds. */
#define ROUND_PAGES 32

/*
 * Pages that one round gives back of those that tmem keeps free.  For a block
 * as many as may be: one page that is kept breaks a block.
 */
#define ROUND_KEPT(order) ((order) ? 512 : ROUND_PAGES)

/*
 * Evicting rounds that one allocation may cost.  A single page is there after the
 * first, unless it must come from a certain node or from below an address:
 * then eviction, which goes by age, may have to free many that won't do.
 */
#define ROUNDS_MAX  64

/* And one of order > 1 before it gets a block that was spared. */
#define ROUNDS_BEFORE_SPARE 2

/*
 * As many for a small block, which Xen needs for itself and can't do without:
 * order 1 for each vCPU of an HVM guest on SVM.  On a host that has been busy
 * for long, pages are evicted in an order that has nothing to do with where
 * they lie.  Then so many evictions free a pair, by the birthday paradox, of
 * up to 2^25 pages (128GiB).
 */
#define SMALL_ORDER_MAX  3
#define ROUNDS_MAX_SMALL 256

/* Zones up to this one hold the pages below 4GiB. */
#define LOW_ZONE_MAX (32 - PAGE_SHIFT)

/* For so long after a claim was short of memory tmem takes no frames. */
#define CLAIM_CALM  MILLISECS(100)

/* How old tmem_freeable_guess may get while tmem grows. */
#define GUESS_AGE   MILLISECS(10)

unsigned long __read_mostly tmem_freeable_guess;
static s_time_t guess_until;
static s_time_t growth_forbidden_until;

/* Neither Xen itself nor a toolstack: one that asks for memory of its own. */
static bool is_guest(const struct domain *d)
{
    return !is_idle_domain(d) && !is_hardware_domain(d) &&
           !is_control_domain(d);
}

/*
 * Called where alloc_heap_pages() has dropped heap_lock to return NULL, so
 * that the frames take the ordinary way back to the heap, and zone, node,
 * claims, scrubbing and TLB flushes stay the allocator's business: it begins
 * anew.  The library's locks are innermost, since it never calls into Xen
 * with one held; so the caller's locks can't be waited for under them.
 */
bool tmem_make_room(unsigned int zone_hi, unsigned int order,
                    unsigned int memflags, unsigned int *rounds)
{
    unsigned int max = ROUNDS_MAX;
    nodeid_t node = MEMF_get_node(memflags);
    bool guest;

    /* tmem's own allocations must not feed on tmem. */
    if ( !tmem_enabled || (memflags & MEMF_no_tmem) )
        return false;

    /* With one CPU online, Xen may allocate with IRQs off. */
    if ( in_irq() || !local_irq_is_enabled() )
        return false;

    /* A toolstack may name any node. */
    if ( (memflags & MEMF_exact_node) && node != NUMA_NO_NODE &&
         !node_online(node) )
        return false;

    /* There is none of it down there: see tmem_frames.c. */
    if ( zone_hi <= LOW_ZONE_MAX && max_page > (GB(4) >> PAGE_SHIFT) )
        return false;

    guest = is_guest(current->domain);

    /*
     * Frames are taken in blocks and evicted in the order in which they were
     * filled, so blocks come free; but nobody sees to it.  Twice the size is
     * what a block is worth: callers that ask for big ones make do with less.
     */
    if ( order && order <= SMALL_ORDER_MAX && !guest )
        max = ROUNDS_MAX_SMALL;
    else if ( order )
        max = min_t(unsigned int, max, max(2U, (2U << order) / ROUND_PAGES));

    /*
     * Those that give back kept frames are counted apart, in the upper half:
     * they must not use up those that evict, and CPUs may refill the list.
     */
    if ( *rounds >> 16 < TMEM_KEPT_MAX / ROUND_KEPT(order) &&
         tmem_free_kept(ROUND_KEPT(order)) )
    {
        *rounds += 1U << 16;
        return true;
    }

    /*
     * Pairs come free after some rounds, and are asked for often.  Bigger ones
     * are spared, for when the rounds that do on a host that was filled in
     * order have not done.
     */
    if ( order && !guest &&
         (*rounds & 0xffff) == (order > 1 ? ROUNDS_BEFORE_SPARE : max) &&
         tmem_free_spare(order) )
    {
        ++*rounds;
        return true;
    }

    if ( (*rounds & 0xffff) >= max )
        return false;
    ++*rounds;

    if ( tmem_rs_reclaim(ROUND_PAGES) )
        return true;

    /* At the very end spare blocks are single pages, for anybody. */
    return (!order || !guest) && tmem_free_spare(order);
}

bool tmem_make_room_for_claim(const struct domain *d, unsigned long pages)
{
    uint64_t free, claims, wanted;

    if ( !tmem_enabled )
        return false;

    get_outstanding_claims(&free, &claims);
    wanted = pages - min_t(unsigned long, pages, domain_tot_pages(d)) + claims;

    /* Somebody freed it meanwhile. */
    if ( wanted <= free )
        return true;

    /* Not to be had: then nothing is evicted in vain. */
    if ( wanted - free > tmem_freeable_pages() )
        return false;

    /*
     * Guests must not take again what is being freed for the claim.  A time,
     * since the caller may be interrupted and never come back.
     */
    growth_forbidden_until = NOW() + CLAIM_CALM;

    wanted = min_t(uint64_t, wanted - free, ROUND_PAGES);

    return tmem_free_kept(wanted) || tmem_rs_reclaim(wanted) ||
           tmem_free_spare(0);
}

bool tmem_growth_forbidden(void)
{
    s_time_t until = read_atomic(&growth_forbidden_until);

    return unlikely(until) && NOW() < until;
}

unsigned long tmem_freeable_pages(void)
{
    return tmem_enabled ? tmem_rs_freeable() + tmem_nr_kept() : 0;
}

/*
 * The guess is read under heap_lock, where even the library's estimate is out
 * of the question.  tmem grows here only, so the library is asked here, now
 * and then; in between whatever is taken counts as freeable.  Writers may
 * overtake each other: the next time puts it right.
 */
void tmem_note_taken(unsigned int nr)
{
    s_time_t now;

    if ( !nr )
        return;

    now = NOW();
    if ( now < read_atomic(&guess_until) )
    {
        write_atomic(&tmem_freeable_guess,
                     read_atomic(&tmem_freeable_guess) + nr);
        return;
    }

    write_atomic(&guess_until, now + GUESS_AGE);
    write_atomic(&tmem_freeable_guess,
                 tmem_rs_freeable_estimate() + tmem_nr_kept());
}

void tmem_note_freed(unsigned int nr)
{
    unsigned long guess = read_atomic(&tmem_freeable_guess);

    write_atomic(&tmem_freeable_guess, guess - min_t(unsigned long, guess, nr));
}

/*
 * Local variables:
 * mode: C
 * c-file-style: "BSD"
 * c-basic-offset: 4
 * tab-width: 4
 * indent-tabs-mode: nil
 * End:
 */
