// Lets the n-th write, sync, rename or open below a folder fail: loaded into programs with
// LD_PRELOAD. Knows nothing of the program. Statically linked programs don't notice it.
//
//   cc -shared -fPIC -O2 -o io_faults.so tests/tools/io_faults.c
//   LD_PRELOAD=$PWD/io_faults.so LOCKSTEP_IO_FAULT=fsync:12:EIO:/tmp/ws LOCKSTEP_IO_COUNT=/tmp/n …
//
// LOCKSTEP_IO_FAULT=KIND:N:ERROR[:FLAG…]:FOLDER
//   KIND    write   write, pwrite, writev, pwritev, ftruncate that grows, fallocate, sendfile,
//                   copy_file_range
//           fsync   fsync, fdatasync, sync_file_range
//           rename  rename, renameat, renameat2, link, linkat
//           open    open, openat, creat for writing; mkdir, mkdirat
//           any     each of them
//   N       the first is 1; 0: nothing fails, all is counted
//   ERROR   EIO, ENOSPC, EDQUOT, EROFS, EMFILE
//   FLAG    sticky  those after the n-th of its kind fail, too
//           short   a write writes half of its bytes first
//           lose    a failed fsync loses what this process wrote since the last good one: the old
//                   bytes are there again, as after the kernel gave the pages up. The same call
//                   made again succeeds and brings nothing back (the "fsyncgate" of 2018).
//   FOLDER  an absolute path; what is not below it neither fails nor counts
// LOCKSTEP_IO_HEAL=FILE   while that file is there nothing fails
// LOCKSTEP_IO_COUNT=FILE  made where it is missing; all programs that name it count together, and
//   the n-th is that of all of them. Its text, at any time: `write N\nfsync N\nrename N\nopen N\n
//   any N\nfailed N\n`. Without it each process counts for itself.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

enum Kind { kWrite, kSync, kRename, kOpen, kAny, kFailed, kKinds };
static const char* const kNames[kKinds] = {"write", "fsync", "rename", "open", "any", "failed"};

#define PAGE 4096
#define BINARY 2048  // in the page: the counters as numbers; their text stands before it
static _Alignas(16) char own_page[PAGE];
static char* page = own_page;

static enum Kind kind = kAny;
static uint64_t nth;
static int number;
static int sticky, cut_short, lose;
static const char* folder;  // null: not at work
static const char* heal;

#define REAL(name) static __typeof__(name)* real_##name
REAL(write);
REAL(pwrite);
REAL(pwrite64);
REAL(writev);
REAL(pwritev);
REAL(pwritev64);
REAL(ftruncate);
REAL(ftruncate64);
REAL(fallocate);
REAL(fallocate64);
REAL(posix_fallocate);
REAL(posix_fallocate64);
REAL(copy_file_range);
REAL(sendfile);
REAL(sendfile64);
REAL(fsync);
REAL(fdatasync);
REAL(sync_file_range);
REAL(rename);
REAL(renameat);
REAL(renameat2);
REAL(link);
REAL(linkat);
static int (*real_open)(const char*, int, ...);
static int (*real_open64)(const char*, int, ...);
static int (*real_openat)(int, const char*, int, ...);
static int (*real_openat64)(int, const char*, int, ...);
REAL(creat);
REAL(creat64);
REAL(mkdir);
REAL(mkdirat);

static _Atomic uint64_t* counter(enum Kind one) {
  return (_Atomic uint64_t*)(page + BINARY) + one;
}

static int error_named(const char* text) {
  if (!strcmp(text, "ENOSPC")) return ENOSPC;
  if (!strcmp(text, "EDQUOT")) return EDQUOT;
  if (!strcmp(text, "EROFS")) return EROFS;
  if (!strcmp(text, "EMFILE")) return EMFILE;
  if (!strcmp(text, "EIO")) return EIO;
  return 0;
}

static void refuse(const char* why) {
  fprintf(stderr, "LOCKSTEP_IO_FAULT is KIND:N:ERROR[:FLAG…]:FOLDER (%s)\n", why);
  _exit(99);
}

static void read_fault(void) {
  static char text[PATH_MAX + 100];
  const char* given = getenv("LOCKSTEP_IO_FAULT");
  if (!given) return;
  if (strlen(given) >= sizeof text) refuse("too long");
  strcpy(text, given);
  char* rest = text;
  const char* word = strsep(&rest, ":");
  while (kind > 0 && strcmp(kNames[kind], word)) --kind;
  if (strcmp(kNames[kind], word)) refuse("no such kind");
  word = strsep(&rest, ":");
  nth = word ? strtoull(word, NULL, 10) : 0;
  word = strsep(&rest, ":");
  number = word ? error_named(word) : 0;
  if (!number) refuse("no such error");
  while (rest && *rest != '/') {
    word = strsep(&rest, ":");
    if (!strcmp(word, "sticky"))
      sticky = 1;
    else if (!strcmp(word, "short"))
      cut_short = 1;
    else if (!strcmp(word, "lose"))
      lose = 1;
    else
      refuse("no such flag");
  }
  if (!rest) refuse("no folder");
  folder = rest;
}

static void share_counters(void) {
  const char* file = getenv("LOCKSTEP_IO_COUNT");
  if (!file) return;
  int fd = real_open(file, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (fd < 0) return;
  struct stat info;
  if (fstat(fd, &info) == 0 && info.st_size < PAGE && real_ftruncate(fd, PAGE) != 0) {
    close(fd);
    return;
  }
  void* shared = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  if (shared != MAP_FAILED) page = shared;
  close(fd);
}

#define FIND(name) *(void**)&real_##name = dlsym(RTLD_NEXT, #name)
__attribute__((constructor)) static void begin(void) {
  FIND(write), FIND(pwrite), FIND(pwrite64), FIND(writev), FIND(pwritev), FIND(pwritev64);
  FIND(ftruncate), FIND(ftruncate64), FIND(fallocate), FIND(fallocate64), FIND(copy_file_range);
  FIND(posix_fallocate), FIND(posix_fallocate64), FIND(sendfile), FIND(sendfile64);
  FIND(fsync), FIND(fdatasync), FIND(sync_file_range), FIND(rename), FIND(renameat);
  FIND(renameat2), FIND(link), FIND(linkat), FIND(open), FIND(open64), FIND(openat);
  FIND(openat64), FIND(creat), FIND(creat64), FIND(mkdir), FIND(mkdirat);
  heal = getenv("LOCKSTEP_IO_HEAL");
  share_counters();
  read_fault();
}

// ---- what counts

static void print_counters(void) {
  uint64_t seen[kKinds];
  do {  // who prints last prints what all have counted
    char text[BINARY];
    size_t length = 0;
    for (int i = 0; i < kKinds; ++i) {
      seen[i] = atomic_load(counter(i));
      length += (size_t)snprintf(text + length, sizeof text - length, "%s %llu\n", kNames[i],
                                 (unsigned long long)seen[i]);
    }
    memset(text + length, '\n', sizeof text - length);
    memcpy(page, text, sizeof text);
    atomic_thread_fence(memory_order_seq_cst);
  } while (seen[kAny] != atomic_load(counter(kAny)) ||
           seen[kFailed] != atomic_load(counter(kFailed)));
}

static int below(const char* path) {
  size_t length = strlen(folder);
  return !strncmp(path, folder, length) && (path[length] == '/' || path[length] == 0);
}

static int path_counts(int at, const char* path) {
  char whole[2 * PATH_MAX];
  if (!folder || !path) return 0;
  if (path[0] == '/') return below(path);
  char link_name[64];
  snprintf(link_name, sizeof link_name, at == AT_FDCWD ? "/proc/self/cwd" : "/proc/self/fd/%d", at);
  ssize_t length = readlink(link_name, whole, PATH_MAX);
  if (length < 0) return 0;
  snprintf(whole + length, sizeof whole - (size_t)length, "/%s", path);
  return below(whole);
}

static int file_counts(int fd) {
  return folder && path_counts(fd, "");
}

// 1: this call is the one that fails, with errno set.
static int fails(enum Kind one) {
  uint64_t mine = atomic_fetch_add(counter(one), 1) + 1;
  uint64_t of_all = atomic_fetch_add(counter(kAny), 1) + 1;
  uint64_t count = kind == kAny ? of_all : mine;
  int hit = (kind == kAny || kind == one) && nth && (sticky ? count >= nth : count == nth);
  if (hit && heal && access(heal, F_OK) == 0) hit = 0;
  if (hit) atomic_fetch_add(counter(kFailed), 1);
  int before = errno;
  print_counters();
  errno = hit ? number : before;
  return hit;
}

// ---- what a failed sync loses

struct Written {
  struct Written* older;
  dev_t device;
  ino_t file;
  off_t at, size_before;
  size_t length, had;  // `had` bytes stood there before
  char old[];
};
static struct Written* newest;
static pthread_mutex_t written_lock = PTHREAD_MUTEX_INITIALIZER;

static void remember(int fd, off_t at, size_t length) {
  struct stat info;
  if (!lose || fstat(fd, &info) != 0 || !S_ISREG(info.st_mode)) return;
  struct Written* one = malloc(sizeof *one + length);
  if (!one) return;
  ssize_t had = pread(fd, one->old, length, at);
  *one = (struct Written){
      newest, info.st_dev, info.st_ino, at, info.st_size, length, had > 0 ? (size_t)had : 0};
  pthread_mutex_lock(&written_lock);
  one->older = newest;
  newest = one;
  pthread_mutex_unlock(&written_lock);
}

// Newest first: what was written is forgotten, or undone as well.
static void settle(int fd, int undo) {
  struct stat info;
  if (!lose || fstat(fd, &info) != 0) return;
  pthread_mutex_lock(&written_lock);
  for (struct Written** at = &newest; *at;) {
    struct Written* one = *at;
    if (one->device != info.st_dev || one->file != info.st_ino) {
      at = &one->older;
      continue;
    }
    if (undo && one->had) (void)!real_pwrite(fd, one->old, one->had, one->at);
    if (undo) (void)!real_ftruncate(fd, one->size_before);
    *at = one->older;
    free(one);
  }
  pthread_mutex_unlock(&written_lock);
}

// ---- the calls

#define HERE ((off_t)-1)  // where the file stands

// Is this write the one that fails? `bytes` may be null where a half makes no sense.
static int write_fails(int fd, const void* bytes, size_t length, off_t at) {
  if (!file_counts(fd)) return 0;
  const int in_place = at == HERE;
  if (in_place) at = lseek(fd, 0, SEEK_CUR);
  if (!fails(kWrite)) {
    if (at >= 0) remember(fd, at, length);
    return 0;
  }
  if (cut_short && bytes && length > 1) {
    if (in_place)
      (void)!real_write(fd, bytes, length / 2);
    else
      (void)!real_pwrite(fd, bytes, length / 2, at);
    errno = number;
  }
  return 1;
}

static size_t total(const struct iovec* parts, int count) {
  size_t sum = 0;
  for (int i = 0; i < count; ++i) sum += parts[i].iov_len;
  return sum;
}

static int grow_fails(int fd, off_t length) {
  struct stat info;
  return fstat(fd, &info) == 0 && length > info.st_size && write_fails(fd, NULL, 0, info.st_size);
}

ssize_t write(int fd, const void* bytes, size_t length) {
  return write_fails(fd, bytes, length, HERE) ? -1 : real_write(fd, bytes, length);
}
ssize_t pwrite(int fd, const void* bytes, size_t length, off_t at) {
  return write_fails(fd, bytes, length, at) ? -1 : real_pwrite(fd, bytes, length, at);
}
ssize_t pwrite64(int fd, const void* bytes, size_t length, off64_t at) {
  return write_fails(fd, bytes, length, at) ? -1 : real_pwrite64(fd, bytes, length, at);
}
ssize_t writev(int fd, const struct iovec* parts, int count) {
  return write_fails(fd, NULL, total(parts, count), HERE) ? -1 : real_writev(fd, parts, count);
}
ssize_t pwritev(int fd, const struct iovec* parts, int count, off_t at) {
  return write_fails(fd, NULL, total(parts, count), at) ? -1 : real_pwritev(fd, parts, count, at);
}
ssize_t pwritev64(int fd, const struct iovec* parts, int count, off64_t at) {
  return write_fails(fd, NULL, total(parts, count), at) ? -1 : real_pwritev64(fd, parts, count, at);
}
int ftruncate(int fd, off_t length) {
  return grow_fails(fd, length) ? -1 : real_ftruncate(fd, length);
}
int ftruncate64(int fd, off64_t length) {
  return grow_fails(fd, length) ? -1 : real_ftruncate64(fd, length);
}
int fallocate(int fd, int mode, off_t at, off_t length) {
  return write_fails(fd, NULL, 0, at) ? -1 : real_fallocate(fd, mode, at, length);
}
int fallocate64(int fd, int mode, off64_t at, off64_t length) {
  return write_fails(fd, NULL, 0, at) ? -1 : real_fallocate64(fd, mode, at, length);
}
int posix_fallocate(int fd, off_t at, off_t length) {
  return write_fails(fd, NULL, 0, at) ? number : real_posix_fallocate(fd, at, length);
}
int posix_fallocate64(int fd, off64_t at, off64_t length) {
  return write_fails(fd, NULL, 0, at) ? number : real_posix_fallocate64(fd, at, length);
}
ssize_t copy_file_range(int from, off64_t* from_at, int fd, off64_t* at, size_t length,
                        unsigned flags) {
  if (write_fails(fd, NULL, 0, at ? *at : HERE)) return -1;
  return real_copy_file_range(from, from_at, fd, at, length, flags);
}
ssize_t sendfile(int fd, int from, off_t* at, size_t length) {
  return write_fails(fd, NULL, 0, HERE) ? -1 : real_sendfile(fd, from, at, length);
}
ssize_t sendfile64(int fd, int from, off64_t* at, size_t length) {
  return write_fails(fd, NULL, 0, HERE) ? -1 : real_sendfile64(fd, from, at, length);
}

static int sync_fails(int fd) {
  if (!file_counts(fd)) return 0;
  const int failed = fails(kSync);
  settle(fd, failed);
  if (failed) errno = number;
  return failed;
}

int fsync(int fd) {
  return sync_fails(fd) ? -1 : real_fsync(fd);
}
int fdatasync(int fd) {
  return sync_fails(fd) ? -1 : real_fdatasync(fd);
}
int sync_file_range(int fd, off64_t at, off64_t length, unsigned flags) {
  return sync_fails(fd) ? -1 : real_sync_file_range(fd, at, length, flags);
}

static int path_fails(enum Kind one, int at, const char* path) {
  return path_counts(at, path) && fails(one);
}

int rename(const char* from, const char* to) {
  return path_fails(kRename, AT_FDCWD, to) ? -1 : real_rename(from, to);
}
int renameat(int from_at, const char* from, int to_at, const char* to) {
  return path_fails(kRename, to_at, to) ? -1 : real_renameat(from_at, from, to_at, to);
}
int renameat2(int from_at, const char* from, int to_at, const char* to, unsigned flags) {
  return path_fails(kRename, to_at, to) ? -1 : real_renameat2(from_at, from, to_at, to, flags);
}
int link(const char* from, const char* to) {
  return path_fails(kRename, AT_FDCWD, to) ? -1 : real_link(from, to);
}
int linkat(int from_at, const char* from, int to_at, const char* to, int flags) {
  return path_fails(kRename, to_at, to) ? -1 : real_linkat(from_at, from, to_at, to, flags);
}

static int open_fails(int at, const char* path, int flags) {
  return (flags & (O_WRONLY | O_RDWR | O_CREAT)) && path_fails(kOpen, at, path);
}

#define MODE(flags, mode)                \
  mode_t mode = 0;                       \
  if ((flags) & (O_CREAT | O_TMPFILE)) { \
    va_list all;                         \
    va_start(all, flags);                \
    mode = va_arg(all, mode_t);          \
    va_end(all);                         \
  }

int open(const char* path, int flags, ...) {
  MODE(flags, mode)
  return open_fails(AT_FDCWD, path, flags) ? -1 : real_open(path, flags, mode);
}
int open64(const char* path, int flags, ...) {
  MODE(flags, mode)
  return open_fails(AT_FDCWD, path, flags) ? -1 : real_open64(path, flags, mode);
}
int openat(int at, const char* path, int flags, ...) {
  MODE(flags, mode)
  return open_fails(at, path, flags) ? -1 : real_openat(at, path, flags, mode);
}
int openat64(int at, const char* path, int flags, ...) {
  MODE(flags, mode)
  return open_fails(at, path, flags) ? -1 : real_openat64(at, path, flags, mode);
}
int creat(const char* path, mode_t mode) {
  return open_fails(AT_FDCWD, path, O_CREAT) ? -1 : real_creat(path, mode);
}
int creat64(const char* path, mode_t mode) {
  return open_fails(AT_FDCWD, path, O_CREAT) ? -1 : real_creat64(path, mode);
}
int mkdir(const char* path, mode_t mode) {
  return path_fails(kOpen, AT_FDCWD, path) ? -1 : real_mkdir(path, mode);
}
int mkdirat(int at, const char* path, mode_t mode) {
  return path_fails(kOpen, at, path) ? -1 : real_mkdirat(at, path, mode);
}
