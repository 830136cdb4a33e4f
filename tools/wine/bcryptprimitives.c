/* The one function of bcryptprimitives.dll that a Go program needs and that Wine before 9 lacks, made of one that it has. */
#include <windows.h>

BOOLEAN WINAPI SystemFunction036(PVOID buffer, ULONG size); /* RtlGenRandom, of advapi32 */

__declspec(dllexport) BOOL WINAPI ProcessPrng(PBYTE buffer, SIZE_T size)
{
	for (; size > 0x7fffffff; buffer += 0x7fffffff, size -= 0x7fffffff)
		if (!SystemFunction036(buffer, 0x7fffffff))
			return FALSE;
	return SystemFunction036(buffer, (ULONG)size);
}
