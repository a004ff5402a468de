/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * tmem_guest.c: what tmem does to domains and to their memory.
 *
 * Holds the charge against a domain's maximum and the copies from and to the
 * calling domain's memory.  No mapping and no reference outlives a call.
 */

#include <xen/domain_page.h>
#include <xen/errno.h>
#include <xen/guest_access.h>
#include <xen/lib.h>
#include <xen/mm.h>
#include <xen/rcupdate.h>
#include <xen/sched.h>
#include <xen/string.h>
#include <xen/tmem.h>
#include <xen/tmem-compat.h>
#include <xen/tmem-rs.h>

#include <asm/p2m.h>
#include <asm/paging.h>

static always_inline bool charge(struct domain *d, unsigned int nr)
{
    bool ok;

    nrspin_lock(&d->page_alloc_lock);

    /* In 64 bits, which can't wrap.  The maximum may be less than is used. */
    ok = !d->is_dying &&
         0UL + domain_tot_pages(d) + d->tmem_pages + nr <= d->max_pages;
    if ( ok )
        d->tmem_pages += nr;

    nrspin_unlock(&d->page_alloc_lock);

    return ok;
}

static always_inline void uncharge(struct domain *d, unsigned int nr)
{
    nrspin_lock(&d->page_alloc_lock);
    ASSERT(d->tmem_pages >= nr);
    d->tmem_pages -= min(d->tmem_pages, nr);
    nrspin_unlock(&d->page_alloc_lock);
}

/* Out of line, so that the domain that runs is charged in few steps. */
static bool noinline charge_other(domid_t domid, unsigned int nr)
{
    struct domain *d = rcu_lock_domain_by_id(domid);
    bool ok;

    if ( !d )
        return false;

    ok = charge(d, nr);
    rcu_unlock_domain(d);

    return ok;
}

static void noinline uncharge_other(domid_t domid, unsigned int nr)
{
    /* Dying ones are found too. */
    struct domain *d = rcu_lock_domain_by_id(domid);

    if ( !d )
    {
        ASSERT_UNREACHABLE();
        return;
    }

    uncharge(d, nr);
    rcu_unlock_domain(d);
}

bool tmem_xen_charge(domid_t domid, uint32_t nr)
{
    struct domain *d = current->domain;

    /* It runs, so it stays. */
    return likely(d->domain_id == domid) ? charge(d, nr)
                                         : charge_other(domid, nr);
}

void tmem_xen_uncharge(domid_t domid, uint32_t nr)
{
    struct domain *d = current->domain;

    if ( likely(d->domain_id == domid) )
        uncharge(d, nr);
    else
        uncharge_other(domid, nr);
}

bool tmem_xen_domain_is_dying(domid_t domid)
{
    struct domain *d = rcu_lock_domain_by_id(domid);
    bool dying = !d || d->is_dying;

    if ( d )
        rcu_unlock_domain(d);

    return dying;
}

/*
 * get_page(), without a call where it would do no more than count: the page is
 * d's, and somebody holds it already.
 */
static always_inline bool get_own_page(struct page_info *page,
                                       const struct domain *d)
{
    unsigned long x = ACCESS_ONCE(page->count_info);

    if ( likely(((x + 2) & PGC_count_mask) > 2) &&
         likely(cmpxchg(&page->count_info, x, x + 1) == x) )
    {
        /* Only now: it stays whose it is while a reference is held. */
        if ( likely(page_get_owner(page) == d) )
            return true;

        put_page(page);
    }

    return get_page(page, d);
}

/* put_page(), in the same way: of a page that somebody else holds too. */
static always_inline void put_held_page(struct page_info *page)
{
    unsigned long x = ACCESS_ONCE(page->count_info);

    if ( unlikely((x & PGC_count_mask) < 2) ||
         unlikely(cmpxchg(&page->count_info, x, x - 1) != x) )
        put_page(page);
}

/*
 * get_page_type(page, PGT_writable_page), without a call where it would do no
 * more than count: the page has the type, and somebody holds it already, as a
 * PV guest does that has the page mapped.
 */
static always_inline bool get_writable_type(struct page_info *page)
{
    unsigned long x = ACCESS_ONCE(page->u.inuse.type_info);

    if ( likely((x & (PGT_type_mask | PGT_validated | PGT_partial)) ==
                (PGT_writable_page | PGT_validated)) &&
         likely(((x + 1) & PGT_count_mask) > 1) &&
         likely(cmpxchg(&page->u.inuse.type_info, x, x + 1) == x) )
        return true;

    return get_page_type(page, PGT_writable_page);
}

/* put_page_and_type(), of a page with that type; in the same way. */
static always_inline void put_writable_page(struct page_info *page)
{
    unsigned long x = ACCESS_ONCE(page->u.inuse.type_info);

    if ( likely(!(x & PGT_locked)) && likely((x & PGT_count_mask) > 1) &&
         likely(cmpxchg(&page->u.inuse.type_info, x, x - 1) == x) )
        put_held_page(page);
    else
        put_page_and_type(page);
}

/*
 * A reference to page gfn of a domain whose frame numbers are translated, for
 * reading or for writing; or NULL.  Only plain RAM will do, as it is or while
 * it is watched for log-dirty: p2m_is_any_ram() would let in grants and foreign
 * pages, that is another domain's memory.
 */
static struct page_info *noinline get_translated_page(
    struct domain *d, uint64_t gfn, bool write)
{
    struct page_info *page;
    p2m_type_t p2mt;

    /* Paged out counts as bad: there is no ring to wait on the pager. */
    if ( check_get_page_from_gfn(d, _gfn(gfn), !write, &p2mt, &page) )
        return NULL;

    if ( (p2mt == p2m_ram_rw || p2mt == p2m_ram_logdirty) &&
         (!write || get_writable_type(page)) )
        return page;

    put_page(page);

    return NULL;
}

/*
 * A reference to page cmfn of the current domain, for reading or for writing,
 * and the page's place in the frame table; or NULL.
 *
 * Inline for the constant write: puts and gets are little but this.
 */
static always_inline struct page_info *get_guest_page(
    struct domain *d, uint64_t cmfn, bool write, unsigned long *pdx)
{
    struct page_info *page;

    if ( paging_mode_translate(d) )
    {
        page = get_translated_page(d, cmfn, write);
        if ( likely(page) )
            *pdx = page_to_pdx(page);

        return page;
    }

    /*
     * A PV guest names machine frames, and what get_page() lets it have is
     * RAM of its own: what the look-up above comes to.
     */
    if ( unlikely(!mfn_valid(_mfn(cmfn))) )
        return NULL;

    *pdx = pfn_to_pdx(cmfn);
    page = pdx_to_page(*pdx);
    if ( unlikely(!get_own_page(page, d)) )
        return NULL;

    if ( !write || get_writable_type(page) )
        return page;

    put_page(page);

    return NULL;
}

/*
 * Whether the page is where map_domain_page() finds it by arithmetic.  Never
 * in a debug build, which is to map all pages.
 */
static always_inline bool is_direct_mapped(unsigned long pdx)
{
#ifdef NDEBUG
    return pdx < PFN_DOWN(HYPERVISOR_VIRT_END - DIRECTMAP_VIRT_START);
#else
    return false;
#endif
}

static always_inline void *direct_map(unsigned long pdx)
{
    return (void *)(DIRECTMAP_VIRT_START + (pdx << PAGE_SHIFT));
}

/* Not copy_page(): it bypasses the cache, and a guest reads what it got. */
static always_inline void copy(void *dst, const void *src)
{
    memcpy(__builtin_assume_aligned(dst, PAGE_SIZE),
           __builtin_assume_aligned(src, PAGE_SIZE), PAGE_SIZE);
}

/* Through mappings that end here. */
static void noinline copy_mapped(unsigned long to, unsigned long from)
{
    const void *src = __map_domain_page(pdx_to_page(from));
    void *dst = __map_domain_page(pdx_to_page(to));

    copy(dst, src);

    unmap_domain_page(dst);
    unmap_domain_page(src);
}

static always_inline void copy_frame(unsigned long to, unsigned long from)
{
    if ( likely(is_direct_mapped(to)) && likely(is_direct_mapped(from)) )
        copy(direct_map(to), direct_map(from));
    else
        copy_mapped(to, from);
}

int tmem_xen_copy_from_guest(uint64_t cmfn, uint64_t frame)
{
    unsigned long from;
    struct page_info *page = get_guest_page(current->domain, cmfn, false,
                                            &from);

    if ( unlikely(!page) )
        return -EFAULT;

    copy_frame(frame, from);
    put_held_page(page);

    return 0;
}

int tmem_xen_copy_to_guest(uint64_t frame, uint64_t cmfn)
{
    /*
     * The writable type keeps page tables and descriptor tables out, and for
     * HVM guests in shadow mode it drops the shadows of the page.
     */
    struct domain *d = current->domain;
    unsigned long to;
    struct page_info *page = get_guest_page(d, cmfn, true, &to);

    if ( unlikely(!page) )
        return -EFAULT;

    copy_frame(to, frame);
    if ( unlikely(paging_mode_log_dirty(d)) )
        paging_mark_dirty(d, page_to_mfn(page));
    put_writable_page(page);

    return 0;
}

/*
 * The buffers of control operations: those of whoever made the sysctl, which
 * runs now.  The accessors keep addresses of Xen's own out.
 */
int tmem_xen_read_buffer(uint64_t addr, void *to, uint32_t bytes)
{
    return copy_from_guest((uint8_t *)to,
                           guest_handle_from_ptr(addr, void), bytes)
           ? -EFAULT : 0;
}

int tmem_xen_write_buffer(uint64_t addr, const void *from, uint32_t bytes)
{
    return copy_to_guest(guest_handle_from_ptr(addr, void),
                         (const uint8_t *)from, bytes)
           ? -EFAULT : 0;
}

/* The same for whole pages, straight from and to a frame of ours. */
int tmem_xen_read_page(uint64_t addr, uint64_t frame)
{
    void *to = __map_domain_page(pdx_to_page(frame));
    int rc = tmem_xen_read_buffer(addr, to, PAGE_SIZE);

    unmap_domain_page(to);

    return rc;
}

int tmem_xen_write_page(uint64_t addr, uint64_t frame)
{
    const void *from = __map_domain_page(pdx_to_page(frame));
    int rc = tmem_xen_write_buffer(addr, from, PAGE_SIZE);

    unmap_domain_page(from);

    return rc;
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
