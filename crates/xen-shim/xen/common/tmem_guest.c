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

bool tmem_xen_charge(domid_t domid, uint32_t nr)
{
    struct domain *d = current->domain;
    bool ok;

    /* It runs, so it stays. */
    if ( likely(d->domain_id == domid) )
        return charge(d, nr);

    d = rcu_lock_domain_by_id(domid);
    if ( !d )
        return false;

    ok = charge(d, nr);
    rcu_unlock_domain(d);

    return ok;
}

void tmem_xen_uncharge(domid_t domid, uint32_t nr)
{
    struct domain *d = current->domain;

    if ( likely(d->domain_id == domid) )
        return uncharge(d, nr);

    /* Dying ones are found too. */
    d = rcu_lock_domain_by_id(domid);
    if ( !d )
    {
        ASSERT_UNREACHABLE();
        return;
    }

    uncharge(d, nr);
    rcu_unlock_domain(d);
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
 * A reference to page cmfn of the current domain, for reading or for writing,
 * and its frame's number; or NULL.  Only plain RAM will do, as it is or while
 * it is watched for log-dirty: p2m_is_any_ram() would let in grants and
 * foreign pages, that is another domain's memory.
 *
 * Inline for the constant write: puts and gets are little but this.
 */
static always_inline struct page_info *get_guest_page(
    struct domain *d, uint64_t cmfn, bool write, mfn_t *mfn)
{
    struct page_info *page;
    p2m_type_t p2mt;

    /*
     * A PV guest names machine frames, and what get_page() lets it have is
     * RAM of its own: what the look-up below would come to.
     */
    if ( !paging_mode_translate(d) )
    {
        *mfn = _mfn(cmfn);
        if ( !mfn_valid(*mfn) )
            return NULL;

        page = mfn_to_page(*mfn);

        return (write ? get_page_and_type(page, d, PGT_writable_page)
                      : get_page(page, d)) ? page : NULL;
    }

    /* Paged out counts as bad: there is no ring to wait on the pager. */
    if ( check_get_page_from_gfn(d, _gfn(cmfn), !write, &p2mt, &page) )
        return NULL;

    if ( (p2mt == p2m_ram_rw || p2mt == p2m_ram_logdirty) &&
         (!write || get_page_type(page, PGT_writable_page)) )
    {
        *mfn = page_to_mfn(page);

        return page;
    }

    put_page(page);

    return NULL;
}

/* map_domain_page(), without a call where it would answer by arithmetic. */
static always_inline void *map_frame(mfn_t mfn)
{
#ifdef NDEBUG
    if ( likely(mfn_x(mfn) <= PFN_DOWN(__pa(HYPERVISOR_VIRT_END - 1))) )
        return mfn_to_virt(mfn_x(mfn));
#endif

    return map_domain_page(mfn);
}

/* Through mappings that end here: the frames may be beyond the direct map. */
static always_inline void copy_frame(mfn_t to, mfn_t from)
{
    const void *src = map_frame(from);
    void *dst = map_frame(to);

    /* Not copy_page(): it bypasses the cache, and a guest reads what it got. */
    memcpy(__builtin_assume_aligned(dst, PAGE_SIZE),
           __builtin_assume_aligned(src, PAGE_SIZE), PAGE_SIZE);

    unmap_domain_page(dst);
    unmap_domain_page(src);
}

int tmem_xen_copy_from_guest(uint64_t cmfn, uint64_t mfn)
{
    mfn_t from;
    struct page_info *page = get_guest_page(current->domain, cmfn, false,
                                            &from);

    if ( !page )
        return -EFAULT;

    copy_frame(_mfn(mfn), from);
    put_page(page);

    return 0;
}

int tmem_xen_copy_to_guest(uint64_t mfn, uint64_t cmfn)
{
    /*
     * The writable type keeps page tables and descriptor tables out, and for
     * HVM guests in shadow mode it drops the shadows of the page.
     */
    struct domain *d = current->domain;
    mfn_t to;
    struct page_info *page = get_guest_page(d, cmfn, true, &to);

    if ( !page )
        return -EFAULT;

    copy_frame(to, _mfn(mfn));
    paging_mark_dirty(d, to);
    put_page_and_type(page);

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

/*
 * Local variables:
 * mode: C
 * c-file-style: "BSD"
 * c-basic-offset: 4
 * tab-width: 4
 * indent-tabs-mode: nil
 * End:
 */
