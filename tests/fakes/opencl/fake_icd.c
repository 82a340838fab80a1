/* An OpenCL driver with one device, seen through the ICD loader: it answers questions and computes nothing.
 * FAKE_ICD_EXTENSIONS are the device's; by them it tells its PCI address 0002:65:03.1 in one of three ways.
 * FAKE_ICD_FAULT=hang or crash: it does that when it is loaded.
 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef unsigned int u32;
typedef unsigned long u64;
enum { SUCCESS = 0, INVALID_VALUE = -30, BUFFER_TOO_SMALL = -30 };

int clGetPlatformInfo(void *, u32, size_t, void *, size_t *); /* loaders look for it before they have the table */
static int device_ids(void *, u64, u32, void **, u32 *);
static int device_info(void *, u32, size_t, void *, size_t *);

/* The loader's table: clGetPlatformIDs, clGetPlatformInfo, clGetDeviceIDs, clGetDeviceInfo, and more than 100 others. */
static void *table[192] = {NULL, (void *)clGetPlatformInfo, (void *)device_ids, (void *)device_info};
static struct { void **dispatch; } platform = {table}, device = {table};

__attribute__((constructor)) static void loaded(void) {
    const char *fault = getenv("FAKE_ICD_FAULT");
    if (fault && !strcmp(fault, "crash")) abort();
    while (fault && !strcmp(fault, "hang")) pause();
}

static int give(const void *value, size_t length, size_t size, void *out, size_t *needed) {
    if (needed) *needed = length;
    if (out && size < length) return BUFFER_TOO_SMALL;
    if (out) memcpy(out, value, length);
    return SUCCESS;
}
#define TEXT(text) give(text, strlen(text) + 1, size, out, needed)
#define VALUE(type, value) give(&(type){value}, sizeof(type), size, out, needed)

static const char *extensions(void) {
    const char *named = getenv("FAKE_ICD_EXTENSIONS");
    return named ? named : "";
}

int clGetPlatformInfo(void *self, u32 name, size_t size, void *out, size_t *needed) {
    (void)self;
    switch (name) {
    case 0x0900: return TEXT("FULL_PROFILE");
    case 0x0901: return TEXT("OpenCL 3.0 fake");
    case 0x0902: return TEXT("Fake platform");
    case 0x0903: return TEXT("Fake vendor");
    case 0x0904: return TEXT("cl_khr_icd");
    case 0x0920: return TEXT("FAKE");
    default: return INVALID_VALUE;
    }
}

static int device_ids(void *self, u64 type, u32 size, void **out, u32 *count) {
    (void)self, (void)type;
    if (count) *count = 1;
    if (out && size) out[0] = &device;
    return SUCCESS;
}

static int pci_info(u32 name, size_t size, void *out, size_t *needed) {
    static const u32 khr[4] = {2, 0x65, 3, 1};
    static const struct { u32 type; char unused[17]; unsigned char bus, device, function; } amd = {1, {0}, 0x65, 3, 1};
    switch (name) {
    case 0x410F: return strstr(extensions(), "cl_khr_pci") ? give(khr, sizeof khr, size, out, needed) : INVALID_VALUE;
    case 0x4008: return VALUE(u32, 0x65);          /* NVIDIA: bus */
    case 0x4009: return VALUE(u32, 3 << 3 | 1);    /* NVIDIA: device and function */
    case 0x400A: return VALUE(u32, 2);             /* NVIDIA: domain */
    case 0x4037: return give(&amd, sizeof amd, size, out, needed);
    default: return INVALID_VALUE;
    }
}

static int device_info(void *self, u32 name, size_t size, void *out, size_t *needed) {
    (void)self;
    switch (name) {
    case 0x1000: return VALUE(u64, 4); /* a GPU */
    case 0x1002: return VALUE(u32, 40);
    case 0x1004: return VALUE(size_t, 1024);
    case 0x100C: return VALUE(u32, 1500);
    case 0x101F: return VALUE(u64, 16UL << 30);
    case 0x1023: return VALUE(u64, 65536);
    case 0x102B: return TEXT("Fake\x1b[31m GPU");
    case 0x102C: return TEXT("Fake vendor");
    case 0x102D: return TEXT("1.0");
    case 0x102F: return TEXT("OpenCL 3.0 fake");
    case 0x1030: return TEXT(extensions());
    case 0x1031: return VALUE(void *, &platform);
    default: return pci_info(name, size, out, needed);
    }
}

int clIcdGetPlatformIDsKHR(u32 size, void **out, u32 *count) {
    if (count) *count = 1;
    if (out && size) out[0] = &platform;
    return SUCCESS;
}

void *clGetExtensionFunctionAddress(const char *name) {
    if (!strcmp(name, "clIcdGetPlatformIDsKHR")) return (void *)clIcdGetPlatformIDsKHR;
    return strcmp(name, "clGetPlatformInfo") ? NULL : (void *)clGetPlatformInfo;
}
